package tandem.interop;

import java.util.Map;
import java.util.TreeMap;

/**
 * Drives a broker with the unmodified classic RocketMQ client.
 *
 * <p>The argument is the name of what to do; settings come from the environment (see {@link Kit}). One JSON object is
 * printed per event; the exit code is 0 only when everything the program itself can judge was right. Whether events of
 * several programs fit together is judged by whoever started them.
 */
public final class Program {
    private interface Part {
        boolean run() throws Exception;
    }

    private static final Map<String, Part> PARTS = new TreeMap<>(Map.ofEntries(
        Map.entry("send", Sending::send),
        Map.entry("batch", Sending::batch),
        Map.entry("delay", Sending::delay),
        Map.entry("timer", Sending::timer),
        Map.entry("request-reply", Sending::requestReply),
        Map.entry("query", Lookup::query),
        Map.entry("trace", Lookup::trace),
        Map.entry("browse", Lookup::browse),

        Map.entry("push", Consuming::push),
        Map.entry("orderly", Consuming::orderly),
        Map.entry("broadcast", Consuming::broadcast),
        Map.entry("litepull", Consuming::litePull),
        Map.entry("tags", Consuming::tags),
        Map.entry("retry-dlq", Consuming::retryDlq),

        Map.entry("tx-send", Transactions::send),
        Map.entry("tx-answer", Transactions::answer),
        Map.entry("decide", Decisions::decide),
        Map.entry("race", Decisions::race),
        Map.entry("forge", Decisions::forge),
        Map.entry("twice", Decisions::twice),
        Map.entry("delayed-half", Decisions::delayedHalf),
        Map.entry("refused-halves", RefusedHalves::run),

        Map.entry("rounds-produce", Rounds::produce),
        Map.entry("rounds-consume", Rounds::consume),

        Map.entry("shop-sell", Shop::sell),
        Map.entry("shop-answer", Shop::answer),
        Map.entry("shop-cart", Shop::cart),
        Map.entry("shop-verdict", Shop::verdict)));

    private Program() {
    }

    public static void main(String[] args) {
        String name = args.length == 1 ? args[0] : "";
        Part part = PARTS.get(name);
        if (part == null) {
            System.err.println("expected one of " + PARTS.keySet());
            System.exit(2);
        }
        boolean ok = false;
        try {
            ok = part.run();
            Kit.emit("done", "ok", ok);
        } catch (Throwable e) {
            Kit.emit("failed", "error", e);
            e.printStackTrace();
        }
        System.exit(ok ? 0 : 1);
    }
}
