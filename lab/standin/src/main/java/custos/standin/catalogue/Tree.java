package custos.standin.catalogue;

import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** Typed look into a parsed YAML document; what is absent is empty. */
public final class Tree {

    private Tree() {
    }

    @SuppressWarnings("unchecked")
    public static Map<String, Object> map(Map<String, Object> node, String key) {
        Object value = node.get(key);
        return value instanceof Map ? (Map<String, Object>) value : Map.of();
    }

    public static List<?> list(Map<String, Object> node, String key) {
        Object value = node.get(key);
        return value instanceof List ? (List<?>) value : List.of();
    }

    public static List<String> strings(Map<String, Object> node, String key) {
        return list(node, key).stream().map(String::valueOf).collect(Collectors.toList());
    }

    public static String text(Map<String, Object> node, String key, String otherwise) {
        Object value = node.get(key);
        return value == null ? otherwise : String.valueOf(value);
    }
}
