package custos.standin.edge;

import java.util.Map;
import java.util.UUID;
import java.util.function.Supplier;
import org.springframework.vault.core.VaultOperations;
import org.springframework.vault.support.VaultResponse;

/** Vault's KV version 1 mount of the service: writes, lists, reads back, deletes. */
public class VaultEdge implements Edge {

    private final String address;
    private final String mount;
    private final Supplier<VaultOperations> vault;

    public VaultEdge(String address, String mount, Supplier<VaultOperations> vault) {
        this.address = address;
        this.mount = mount;
        this.vault = vault;
    }

    @Override
    public String name() {
        return "vault";
    }

    @Override
    public void use() throws Exception {
        Addresses.present("spring.cloud.vault.uri", address);
        VaultOperations operations = vault.get();
        String folder = mount + "/standin";
        String id = UUID.randomUUID().toString();
        operations.write(folder + "/" + id, Map.of("value", id));
        try {
            VaultResponse read = operations.read(folder + "/" + id);
            if (read == null || read.getData() == null || !id.equals(read.getData().get("value"))) {
                throw new IllegalStateException("what was written to " + folder + " is not read back: is it KV version 1?");
            }
            if (!operations.list(folder).contains(id)) {
                throw new IllegalStateException("what was written to " + folder + " is not in its list");
            }
        } finally {
            operations.delete(folder + "/" + id);
        }
    }
}
