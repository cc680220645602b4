package tandem.interop;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.impl.MQClientManager;
import org.apache.rocketmq.client.impl.factory.MQClientInstance;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;

/**
 * What every part needs: settings from the environment, events on standard output, messages of this run.
 *
 * <p>NAMESRV_ADDR, RUN (what the bodies of this run begin with), TOPIC, GROUP, PRODUCER_GROUP, COUNT, WAIT_S (how long
 * to wait for what must come) and LINGER_S (how long to wait for what must not come).
 */
final class Kit {
    static final String NAMESRV = env("NAMESRV_ADDR", "127.0.0.1:9876");
    static final String TOPIC = env("TOPIC", "interop");
    static final String PRODUCER_GROUP = env("PRODUCER_GROUP", "interop_producer");
    static final int COUNT = number("COUNT", 3);
    static final long WAIT_MS = 1000L * number("WAIT_S", 60);
    static final long LINGER_MS = (long) (1000 * Double.parseDouble(env("LINGER_S", "1")));

    /** Tells the messages of this run from older ones in the same topic. */
    static final String RUN =
        env("RUN", Long.toString(System.currentTimeMillis(), 36) + Long.toString(ProcessHandle.current().pid(), 36));
    static final String GROUP = env("GROUP", "interop_" + RUN);

    private static final BufferedReader INPUT =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));

    private Kit() {
    }

    static String env(String name, String fallback) {
        String value = System.getenv(name);
        return value == null ? fallback : value;
    }

    static int number(String name, int fallback) {
        return Integer.parseInt(env(name, String.valueOf(fallback)));
    }

    /** A comma-separated list; the n-th of something gets {@link #nth} of it. */
    static List<String> list(String name, String fallback) {
        return List.of(env(name, fallback).split(",", -1));
    }

    /** Lists begin again when they end: COUNT=4 of "commit,rollback" is two of each. */
    static String nth(List<String> list, int index) {
        return list.get(index % list.size());
    }

    static void emit(String event, Object... fields) {
        String line = line(event, fields);
        synchronized (System.out) {
            System.out.println(line);
        }
    }

    /** An event as one line, without its end. */
    static String line(String event, Object... fields) {
        StringBuilder line = new StringBuilder("{\"event\":").append(Json.of(event))
            .append(",\"at\":").append(System.currentTimeMillis());
        for (int i = 0; i < fields.length; i += 2) {
            line.append(",\"").append(fields[i]).append("\":").append(Json.of(fields[i + 1]));
        }
        return line.append('}').toString();
    }

    /** Says where we are and waits for a line on standard input; its end means that nobody is left to wait for. */
    static void pause(String where) throws IOException {
        emit("paused", "where", where);
        if (INPUT.readLine() == null) {
            throw new IOException("standard input ended at " + where);
        }
    }

    /** The body is "RUN INDEX", and in every third message a long one that the client compresses. */
    static Message message(String topic, int index) {
        String body = RUN + " " + index + (index % 3 == 1 ? " " + "x".repeat(8000) : "");
        Message message = new Message(topic, "interop", RUN + "-" + index + " shared", bytes(body));
        message.setFlag(1000 + index);
        message.putUserProperty("index", String.valueOf(index));
        message.putUserProperty("text", "a=b; \u00fc\u4e2d\u6587 'quoted' {json:1}");
        return message;
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String text(Message message) {
        return new String(message.getBody(), StandardCharsets.UTF_8);
    }

    static boolean ofThisRun(Message message) {
        return text(message).startsWith(RUN + " ");
    }

    /** For clients that are not there to show the defaults: a new topic's route is seen within a second, not 30. */
    static void quick(ClientConfig client) {
        client.setNamesrvAddr(NAMESRV);
        client.setPollNameServerInterval(1000);
    }

    static <P extends DefaultMQProducer> P started(P producer) throws MQClientException {
        quick(producer);
        producer.setSendMsgTimeout(10_000); // the default of 3 s is too short for a busy test machine
        producer.start();
        return producer;
    }

    static DefaultMQProducer producer() throws MQClientException {
        return started(new DefaultMQProducer(PRODUCER_GROUP));
    }

    static void sent(SendResult result, Object... more) {
        List<Object> fields = new ArrayList<>(List.of("message_id", result.getMsgId(),
            "offset_id", String.valueOf(result.getOffsetMsgId()), "status", result.getSendStatus(),
            "queue", result.getMessageQueue().getQueueId(), "offset", result.getQueueOffset()));
        fields.addAll(List.of(more));
        emit("sent", fields.toArray());
    }

    /** Makes a producer known to the topic's broker before it sends: 5.x producers heartbeat to no other broker. */
    static void announce(ClientConfig producer, String topic) {
        MQClientInstance instance = MQClientManager.getInstance().getOrCreateMQClientInstance(producer);
        instance.updateTopicRouteInfoFromNameServer(topic);
        emit("announcing", "client_id", instance.getClientId());
        instance.sendHeartbeatToAllBrokerWithLock();
    }

    static String brokerName(DefaultMQProducer producer, String topic) throws MQClientException {
        return producer.fetchPublishMessageQueues(topic).get(0).getBrokerName();
    }

    /** Sends one hand-made request over the connections of a started client and returns the broker's answer. */
    static RemotingCommand ask(
        ClientConfig client, String brokerName, int code, Map<String, String> fields, byte[] body) throws Exception {
        MQClientInstance instance = MQClientManager.getInstance().getOrCreateMQClientInstance(client);
        RemotingCommand request = RemotingCommand.createRequestCommand(code, null);
        fields.forEach(request::addExtField);
        request.setBody(body);
        String address = instance.findBrokerAddressInPublish(brokerName);
        if (address == null) { // the client would ask the name server instead
            throw new IllegalStateException("this client knows no address of " + brokerName);
        }
        return instance.getMQClientAPIImpl().getRemotingClient().invokeSync(address, request, 5000);
    }

    /** Waits at most WAIT_S; true when it came true. */
    static boolean await(BooleanSupplier done) throws InterruptedException {
        for (long deadline = System.currentTimeMillis() + WAIT_MS; !done.getAsBoolean(); Thread.sleep(50)) {
            if (System.currentTimeMillis() > deadline) {
                return false;
            }
        }
        return true;
    }
}
