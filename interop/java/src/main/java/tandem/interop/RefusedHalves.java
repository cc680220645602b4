package tandem.interop;

import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;

/** Sends that look like halves but could never be decided, or could never be delivered. Each must be refused. */
final class RefusedHalves {
    private static final int SEND_MESSAGE_V2 = 310;
    private static final int SEND_BATCH_MESSAGE = 320;
    private static final int UPDATE_AND_CREATE_TOPIC = 17;

    private RefusedHalves() {
    }

    static boolean run() throws Exception {
        ExecutorService checks = Transactions.checkThreads();
        TransactionMQProducer producer = Transactions.producer(new Transactions.Script(), null, checks);
        try {
            producer.send(Kit.message(Kit.TOPIC, 1_000_000)); // creates the topic
            String broker = Kit.brokerName(producer, Kit.TOPIC);
            Kit.ask(producer, broker, UPDATE_AND_CREATE_TOPIC, Map.of("topic", "read_only", "defaultTopic", "TBW102",
                "readQueueNums", "1", "writeQueueNums", "1", "perm", "4", "topicFilterType", "SINGLE_TAG",
                "topicSysFlag", "0", "order", "false"), null);
            byte[] body = Kit.bytes(Kit.RUN + " refused");
            refused(producer, broker, "no producer group", SEND_MESSAGE_V2,
                Map.of("i", "TRAN_MSG\u0001true\u0002UNIQ_KEY\u0001A1\u0002"), body);
            refused(producer, broker, "empty producer group", SEND_MESSAGE_V2,
                Map.of("i", "TRAN_MSG\u0001true\u0002PGROUP\u0001\u0002UNIQ_KEY\u0001A2\u0002"), body);
            refused(producer, broker, "prepared flag without TRAN_MSG", SEND_MESSAGE_V2,
                Map.of("i", "PGROUP\u0001g\u0002UNIQ_KEY\u0001A3\u0002"), body);
            refused(producer, broker, "batch", SEND_BATCH_MESSAGE, Map.of("m", "true"), body);
            refused(producer, broker, "queue out of range", SEND_MESSAGE_V2, Map.of("e", "1000"), body);
            refused(producer, broker, "missing topic", SEND_MESSAGE_V2,
                Map.of("b", "no_such_topic", "c", "none"), body);
            refused(producer, broker, "topic without write permission", SEND_MESSAGE_V2,
                Map.of("b", "read_only"), body);
            refused(producer, broker, "empty body", SEND_MESSAGE_V2, Map.of(), new byte[0]);
            refused(producer, broker, "too large", SEND_MESSAGE_V2, Map.of(), new byte[5 << 20]);
            return true;
        } finally {
            producer.shutdown();
            checks.shutdownNow();
        }
    }

    private static void refused(TransactionMQProducer producer, String broker, String what, int code,
        Map<String, String> changes, byte[] body) throws Exception {
        Map<String, String> fields = new HashMap<>(Map.of("a", Kit.PRODUCER_GROUP, "b", Kit.TOPIC, "c", "TBW102",
            "d", "4", "e", "0", "f", "4", "g", String.valueOf(System.currentTimeMillis()), "h", "0",
            "j", "0", "k", "false"));
        fields.put("i", "TRAN_MSG\u0001true\u0002PGROUP\u0001" + Kit.PRODUCER_GROUP + "\u0002UNIQ_KEY\u0001"
            + Kit.RUN + what.hashCode() + "\u0002");
        fields.put("l", "16");
        fields.put("m", "false");
        fields.putAll(changes);
        RemotingCommand answer = Kit.ask(producer, broker, code, fields, body);
        Kit.emit("refused", "what", what, "code", answer.getCode(), "remark", answer.getRemark());
    }
}
