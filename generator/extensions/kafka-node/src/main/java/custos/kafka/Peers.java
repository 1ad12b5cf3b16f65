package custos.kafka;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** What the other voters say of themselves, before and beside Kafka. */
final class Peers {
    private static final Duration ANSWER = Duration.ofSeconds(2);

    private final Member member;
    private final HttpClient client = HttpClient.newBuilder().connectTimeout(ANSWER).version(HttpClient.Version.HTTP_1_1).build();

    Peers(Member member) {
        this.member = member;
    }

    /** How many of the other voters answer. */
    long answering() throws InterruptedException {
        long count = 0;
        for (Map.Entry<Integer, String> voter : member.voters().entrySet()) {
            if (voter.getKey() != member.id() && ask(voter.getValue()).isPresent()) {
                count++;
            }
        }
        return count;
    }

    /**
     * Why this voter, whose volume is empty, may not be formatted yet, or nothing. Empty voters that were a majority would agree on an empty
     * cluster, and the one that still holds its data would follow them. So one is formatted where a majority has its data to give (a volume
     * was lost), or where every voter answers and none has any (the first start).
     */
    Optional<String> reasonNotToFormat() throws InterruptedException {
        List<String> silent = new ArrayList<>();
        List<String> members = new ArrayList<>();
        for (Map.Entry<Integer, String> voter : member.voters().entrySet()) {
            if (voter.getKey() == member.id()) {
                continue;
            }
            Optional<Storage.State> state = ask(voter.getValue());
            if (state.isEmpty()) {
                silent.add(voter.getValue());
            } else if (state.get() == Storage.State.MEMBER) {
                members.add(voter.getValue());
            }
        }
        if (members.size() >= member.majority() || (members.isEmpty() && silent.isEmpty())) {
            return Optional.empty();
        }
        String found = members.isEmpty() ? "no voter that answers has any data" : String.join(", ", members) + " still has data";
        String wanted = silent.isEmpty() ? "" : "; no answer yet from " + String.join(", ", silent);
        return Optional.of("this volume is empty; " + found + wanted + ". It is formatted once " + member.majority() + " of "
                + member.voters().size() + " voters have data, or all answer and none has. Where a majority of the volumes is lost for good,"
                + " docs/operating.md says under Kafka how to go on.");
    }

    private Optional<Storage.State> ask(String host) throws InterruptedException {
        URI uri = URI.create("http://" + host + ":" + Member.STATE_PORT + "/state");
        try {
            HttpResponse<String> answer =
                    client.send(HttpRequest.newBuilder(uri).timeout(ANSWER).build(), HttpResponse.BodyHandlers.ofString());
            return Optional.of(Storage.State.valueOf(answer.body().strip().toUpperCase(Locale.ROOT)));
        } catch (IOException | IllegalArgumentException failure) {
            return Optional.empty();
        }
    }
}
