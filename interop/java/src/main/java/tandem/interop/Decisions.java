package tandem.interop;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;

/** Decisions sent by hand and as requests, so that the broker's answer is seen; the client only sends them one-way. */
final class Decisions {
    private static final int END_TRANSACTION = 37;

    private Decisions() {
    }

    /** As sendMessageInTransaction marks it; its own result lacks the offset id that a decision must quote. */
    static Message half(int index) {
        Message message = Kit.message(Kit.TOPIC, index);
        MessageAccessor.putProperty(message, "TRAN_MSG", "true");
        MessageAccessor.putProperty(message, "PGROUP", Kit.PRODUCER_GROUP);
        return message;
    }

    static Map<String, String> decision(SendResult half, String outcome) throws Exception {
        long logOffset = MessageDecoder.decodeMessageId(half.getOffsetMsgId()).getOffset();
        Map<String, String> fields = new HashMap<>();
        fields.put("producerGroup", Kit.PRODUCER_GROUP);
        fields.put("tranStateTableOffset", String.valueOf(half.getQueueOffset()));
        fields.put("commitLogOffset", String.valueOf(logOffset));
        fields.put("commitOrRollback", outcome.equals("commit") ? "8" : "12");
        fields.put("fromTransactionCheck", "false");
        fields.put("msgId", half.getMsgId());
        fields.put("transactionId", half.getTransactionId());
        return fields;
    }

    private static RemotingCommand decide(DefaultMQProducer producer, SendResult half, String outcome)
        throws Exception {
        String broker = half.getMessageQueue().getBrokerName();
        return Kit.ask(producer, broker, END_TRANSACTION, decision(half, outcome), null);
    }

    /**
     * ENDS: cases separated by ";", each a half of its own, decided in steps separated by ",". At "|" all cases pause
     * together until a line is read, and the next step of each goes out afterwards.
     */
    static boolean decide() throws Exception {
        String[] cases = Kit.env("ENDS", "commit,commit;commit,rollback;rollback,commit;rollback,rollback").split(";");
        ExecutorService checks = Transactions.checkThreads();
        TransactionMQProducer producer = Transactions.producer(new Transactions.Script(), null, checks);
        try {
            List<SendResult> halves = new ArrayList<>();
            for (int i = 0; i < cases.length; i++) {
                SendResult half = producer.send(half(i));
                Kit.sent(half, "index", i, "case", cases[i]);
                halves.add(half);
            }
            int phases = cases[0].split("\\|").length;
            for (int phase = 0; phase < phases; phase++) {
                if (phase > 0) {
                    Kit.pause("between decisions");
                }
                for (int i = 0; i < cases.length; i++) {
                    for (String outcome : cases[i].split("\\|")[phase].split(",")) {
                        RemotingCommand answer = decide(producer, halves.get(i), outcome);
                        Kit.emit("ended", "index", i, "case", cases[i], "outcome", outcome,
                            "code", answer.getCode(), "remark", answer.getRemark());
                    }
                }
            }
            return true;
        } finally {
            producer.shutdown();
            checks.shutdownNow();
        }
    }

    /** Two producers of the group decide each of COUNT halves at the same moment, differently, while checks come in. */
    static boolean race() throws Exception {
        ExecutorService checks = Transactions.checkThreads();
        TransactionMQProducer one = Transactions.producer(new Transactions.Script(), null, checks);
        TransactionMQProducer other = Transactions.producer(new Transactions.Script(), null, checks);
        ExecutorService threads = Executors.newFixedThreadPool(4);
        try {
            List<SendResult> halves = new ArrayList<>();
            for (int i = 0; i < Kit.COUNT; i++) {
                halves.add(one.send(half(i)));
                if (i == 0) {
                    Kit.announce(other, Kit.TOPIC); // now the topic is there
                }
            }
            Thread.sleep(Kit.number("SLOW_MS", 0)); // so that the checks go out now
            for (int i = 0; i < Kit.COUNT; i++) {
                SendResult half = halves.get(i);
                CountDownLatch start = new CountDownLatch(1);
                List<Future<List<Object>>> answers = new ArrayList<>();
                for (int racer = 0; racer < 4; racer++) {
                    TransactionMQProducer producer = racer % 2 == 0 ? one : other;
                    String outcome = (i + racer / 2) % 2 == 0 ? "commit" : "rollback";
                    answers.add(threads.submit(() -> {
                        start.await();
                        return List.of(outcome, decide(producer, half, outcome).getCode());
                    }));
                }
                start.countDown();
                List<List<Object>> codes = new ArrayList<>();
                for (Future<List<Object>> answer : answers) {
                    codes.add(answer.get());
                }
                Kit.emit("raced", "index", i, "message_id", half.getMsgId(), "answers", codes);
            }
            return true;
        } finally {
            one.shutdown();
            other.shutdown();
            checks.shutdownNow();
            threads.shutdownNow();
        }
    }

    /** Decisions that name another transaction than they mean; then the right ones. */
    static boolean forge() throws Exception {
        ExecutorService checks = Transactions.checkThreads();
        TransactionMQProducer producer = Transactions.producer(new Transactions.Script(), null, checks);
        try {
            SendResult half = producer.send(half(0));
            SendResult other = producer.send(half(1));
            SendResult normal = producer.send(Kit.message(Kit.TOPIC, 2));
            forged(producer, half, "wrong queue offset", Map.of("tranStateTableOffset",
                String.valueOf(half.getQueueOffset() + 1000)));
            forged(producer, half, "wrong log offset", Map.of("commitLogOffset",
                String.valueOf(MessageDecoder.decodeMessageId(half.getOffsetMsgId()).getOffset() + 8)));
            forged(producer, half, "offset beyond the log", Map.of("commitLogOffset", String.valueOf(1L << 50)));
            forged(producer, half, "negative offset", Map.of("commitLogOffset", "-1"));
            forged(producer, half, "wrong id", Map.of("msgId", "0".repeat(32), "transactionId", "0".repeat(32)));
            forged(producer, half, "another group's", Map.of("producerGroup", "somebody_else"));
            Map<String, String> otherOffsets = decision(other, "commit");
            otherOffsets.put("msgId", half.getMsgId());
            otherOffsets.put("transactionId", half.getTransactionId());
            forged(producer, half, "another half's offset under one's own id", otherOffsets);
            Map<String, String> normalOffsets = decision(normal, "commit");
            forged(producer, half, "a normal message's offset", normalOffsets);
            for (SendResult honest : List.of(half, other)) {
                String outcome = honest == half ? "commit" : "rollback";
                RemotingCommand answer = decide(producer, honest, outcome);
                Kit.emit("honest", "outcome", outcome, "code", answer.getCode(), "remark", answer.getRemark());
            }
            return true;
        } finally {
            producer.shutdown();
            checks.shutdownNow();
        }
    }

    private static void forged(
        DefaultMQProducer producer, SendResult half, String what, Map<String, String> changes) throws Exception {
        for (String outcome : List.of("commit", "rollback")) {
            Map<String, String> fields = decision(half, outcome);
            fields.putAll(changes);
            fields.put("commitOrRollback", outcome.equals("commit") ? "8" : "12");
            RemotingCommand answer =
                Kit.ask(producer, half.getMessageQueue().getBrokerName(), END_TRANSACTION, fields, null);
            Kit.emit("forged", "what", what, "outcome", outcome, "code", answer.getCode(),
                "remark", answer.getRemark());
        }
    }

    /** The same half sent again, as after a lost answer: before and after a pause, then after its decision. */
    static boolean twice() throws Exception {
        ExecutorService checks = Transactions.checkThreads();
        TransactionMQProducer producer = Transactions.producer(new Transactions.Script(), null, checks);
        try {
            Message message = half(0);
            SendResult first = producer.send(message);
            Kit.sent(first, "nth", 1);
            Kit.sent(producer.send(message), "nth", 2);
            Kit.pause("between sends");
            SendResult third = producer.send(message);
            Kit.sent(third, "nth", 3);
            RemotingCommand answer = decide(producer, third, "commit");
            Kit.emit("ended", "outcome", "commit", "code", answer.getCode(), "remark", answer.getRemark());
            SendResult next = producer.send(message);
            Kit.sent(next, "nth", 4);
            answer = decide(producer, next, "rollback");
            Kit.emit("ended", "outcome", "rollback", "code", answer.getCode(), "remark", answer.getRemark());
            Thread.sleep(Kit.LINGER_MS); // a check about any of them would come now
            return true;
        } finally {
            producer.shutdown();
            checks.shutdownNow();
        }
    }

    /** Halves that ask for a delay level, a timer, and nothing; committed when all delays would be over. */
    static boolean delayedHalf() throws Exception {
        ExecutorService checks = Transactions.checkThreads();
        TransactionMQProducer producer = Transactions.producer(new Transactions.Script(), null, checks);
        try {
            List<SendResult> halves = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                Message message = half(i);
                if (i == 0) {
                    message.setDelayTimeLevel(2);
                } else if (i == 1) {
                    MessageAccessor.putProperty(message, "TIMER_DELAY_MS", "4000");
                }
                halves.add(producer.send(message));
                Kit.sent(halves.get(i), "index", i);
            }
            Thread.sleep(7000);
            for (int i = 0; i < 3; i++) {
                RemotingCommand answer = decide(producer, halves.get(i), "commit");
                Kit.emit("ended", "index", i, "outcome", "commit", "code", answer.getCode(),
                    "remark", answer.getRemark());
            }
            return true;
        } finally {
            producer.shutdown();
            checks.shutdownNow();
        }
    }
}
