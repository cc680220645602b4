// Orders, paid in a transaction that is a database change and a message at once: both happen or neither does.
//
// Needs a JDK 17 or newer and Maven; client: org.apache.rocketmq:rocketmq-spring-boot-starter 2.3.4.
//   tandem snippet spring --dir orders     writes this file with its pom.xml and application.properties
//   cd orders && mvn -q spring-boot:run
//
// application.properties:
//   rocketmq.name-server=127.0.0.1:9876
//   rocketmq.producer.group=order-service
//
// It ends with exit code 0 when both orders have come to the consumer: one that was committed at once, and one whose
// producer forgot to say so and was asked.

package example;

import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.spring.annotation.ConsumeMode;
import org.apache.rocketmq.spring.annotation.RocketMQMessageListener;
import org.apache.rocketmq.spring.annotation.RocketMQTransactionListener;
import org.apache.rocketmq.spring.core.RocketMQListener;
import org.apache.rocketmq.spring.core.RocketMQLocalTransactionListener;
import org.apache.rocketmq.spring.core.RocketMQLocalTransactionState;
import org.apache.rocketmq.spring.core.RocketMQTemplate;
import org.springframework.boot.CommandLineRunner;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.ApplicationContext;
import org.springframework.messaging.Message;
import org.springframework.messaging.support.MessageBuilder;
import org.springframework.stereotype.Component;

@SpringBootApplication
public class Orders implements CommandLineRunner {
    static final String TOPIC = "orders";

    /** Stands for a table of your database: what is in it was committed there. */
    static final Set<String> PAID = ConcurrentHashMap.newKeySet();
    static final Set<String> RECEIVED = ConcurrentHashMap.newKeySet();

    private final RocketMQTemplate rocketMQ;
    private final ApplicationContext context;

    Orders(RocketMQTemplate rocketMQ, ApplicationContext context) {
        this.rocketMQ = rocketMQ;
        this.context = context;
    }

    public static void main(String[] args) {
        SpringApplication.run(Orders.class, args);
    }

    @Override
    public void run(String... args) throws InterruptedException {
        String run = UUID.randomUUID().toString().substring(0, 8);
        Set<String> expected = Set.of(run + "-told", run + "-forgotten");
        for (String order : expected) {
            Message<String> message = MessageBuilder.withPayload(order).setHeader("KEYS", order).build();
            rocketMQ.sendMessageInTransaction(TOPIC + ":paid", message, order.endsWith("-forgotten"));
            System.out.println("sent " + order);
        }
        for (int tenths = 0; tenths < 900 && !RECEIVED.containsAll(expected); tenths++) {
            Thread.sleep(100);
        }
        boolean complete = RECEIVED.containsAll(expected);
        System.out.println(complete ? "both orders arrived" : "expected " + expected + ", received " + RECEIVED);
        System.exit(SpringApplication.exit(context, () -> complete ? 0 : 1));
    }

    @RocketMQTransactionListener
    static class Payment implements RocketMQLocalTransactionListener {
        /** Runs when the message is stored, and nobody can see it. Change the database here, then say what came of it. */
        @Override
        public RocketMQLocalTransactionState executeLocalTransaction(Message message, Object forgetful) {
            PAID.add(order(message));
            // UNKNOWN is also what the broker makes of a producer that dies before it answers.
            return (boolean) forgetful ? RocketMQLocalTransactionState.UNKNOWN : RocketMQLocalTransactionState.COMMIT;
        }

        /** Runs when the broker asks, in any producer of this group: look into the database. */
        @Override
        public RocketMQLocalTransactionState checkLocalTransaction(Message message) {
            boolean paid = PAID.contains(order(message));
            System.out.println("asked about " + order(message) + ": " + (paid ? "paid" : "not paid"));
            return paid ? RocketMQLocalTransactionState.COMMIT : RocketMQLocalTransactionState.ROLLBACK;
        }

        private static String order(Message<?> message) {
            Object body = message.getPayload();
            return body instanceof byte[] ? new String((byte[]) body) : body.toString();
        }
    }

    /** A message can come more than once: what you do with it has to bear that. */
    @Component
    @RocketMQMessageListener(topic = TOPIC, selectorExpression = "paid", consumerGroup = "cart-service",
            consumeMode = ConsumeMode.CONCURRENTLY)
    static class Cart implements RocketMQListener<String> {
        @Override
        public void onMessage(String order) {
            if (RECEIVED.add(order)) {
                System.out.println("received " + order);
            }
        }
    }
}
