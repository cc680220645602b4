// Orders, paid in a transaction that is a database change and a message at once: both happen or neither does.
//
// Needs a JDK 11 or newer and Maven; client: org.apache.rocketmq:rocketmq-client 5.5.0.
//   tandem snippet java --dir orders     writes this file with its pom.xml
//   cd orders && mvn -q compile exec:java
//
// It ends with exit code 0 when both orders have come to the consumer: one that was committed at once, and one whose
// producer forgot to say so and was asked.

import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

public class Main {
    static final String NAME_SERVER = "127.0.0.1:9876";
    static final String TOPIC = "orders";

    /** Stands for a table of your database: what is in it was committed there. */
    static final Set<String> PAID = ConcurrentHashMap.newKeySet();

    public static void main(String[] args) throws Exception {
        String run = UUID.randomUUID().toString().substring(0, 8);
        TransactionMQProducer producer = new TransactionMQProducer("order-service");
        producer.setNamesrvAddr(NAME_SERVER);
        producer.setTransactionListener(new TransactionListener() {
            /** Runs when the message is stored, and nobody can see it. Change the database here, then say what came of it. */
            @Override
            public LocalTransactionState executeLocalTransaction(Message message, Object forgetful) {
                PAID.add(message.getKeys());
                // UNKNOW is also what the broker makes of a producer that dies before it answers.
                return (boolean) forgetful ? LocalTransactionState.UNKNOW : LocalTransactionState.COMMIT_MESSAGE;
            }

            /** Runs when the broker asks, in any producer of this group: look into the database. */
            @Override
            public LocalTransactionState checkLocalTransaction(MessageExt message) {
                boolean paid = PAID.contains(message.getKeys());
                System.out.println("asked about " + message.getKeys() + ": " + (paid ? "paid" : "not paid"));
                return paid ? LocalTransactionState.COMMIT_MESSAGE : LocalTransactionState.ROLLBACK_MESSAGE;
            }
        });
        producer.start();
        Set<String> expected = ConcurrentHashMap.newKeySet();
        for (boolean forgetful : new boolean[] {false, true}) {
            String order = run + (forgetful ? "-forgotten" : "-told");
            expected.add(order);
            Message message = new Message(TOPIC, "paid", order, ("order " + order).getBytes(StandardCharsets.UTF_8));
            producer.sendMessageInTransaction(message, forgetful);
            System.out.println("sent " + order);
        }

        CountDownLatch all = new CountDownLatch(1);
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer("cart-service");
        consumer.setNamesrvAddr(NAME_SERVER);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(TOPIC, "paid");
        // A message can come more than once: what you do with it has to bear that.
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            for (MessageExt message : messages) {
                if (expected.remove(message.getKeys())) {
                    System.out.println("received " + message.getKeys());
                }
            }
            if (expected.isEmpty()) {
                all.countDown();
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();

        boolean complete = all.await(60, TimeUnit.SECONDS);
        System.out.println(complete ? "both orders arrived" : "still missing: " + expected);
        consumer.shutdown();
        producer.shutdown();
        System.exit(complete ? 0 : 1);
    }
}
