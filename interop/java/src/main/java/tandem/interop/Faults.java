package tandem.interop;

import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.rocketmq.remoting.CommandCustomHeader;
import org.apache.rocketmq.remoting.RPCHook;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;

/**
 * What may go wrong between a client and its broker, brought about by the hook the client offers for it.
 *
 * <p>Header classes moved to another package in 5.0, hence the reflection.
 */
final class Faults implements RPCHook {
    private static final int SEND_MESSAGE_V2 = 310;
    private static final int END_TRANSACTION = 37;
    private static final Pattern INDEX = Pattern.compile("index\u0001(\\d+)");

    private final boolean loseDecisions;
    private final List<String> bornShiftHours;

    private Faults(boolean loseDecisions, List<String> bornShiftHours) {
        this.loseDecisions = loseDecisions;
        this.bornShiftHours = bornShiftHours;
    }

    /**
     * LOSE_DECISIONS=1: no decision leaves after the local transaction, only answers to checks do. BORN_SHIFT_H: how
     * many hours the clock of the n-th message's sender is off. Null when nothing is to go wrong.
     */
    static RPCHook fromEnvironment() {
        boolean lose = Kit.env("LOSE_DECISIONS", "0").equals("1");
        List<String> shift = Kit.list("BORN_SHIFT_H", "0");
        return lose || !shift.equals(List.of("0")) ? new Faults(lose, shift) : null;
    }

    @Override
    public void doBeforeRequest(String address, RemotingCommand request) {
        CommandCustomHeader header = request.readCustomHeader();
        try {
            if (request.getCode() == END_TRANSACTION && loseDecisions
                && !(Boolean) get(header, "FromTransactionCheck")) {
                throw new IllegalStateException("decision lost on purpose");
            }
            if (request.getCode() == SEND_MESSAGE_V2) {
                Matcher index = INDEX.matcher(String.valueOf(get(header, "I")));
                if (index.find()) {
                    long hours = Long.parseLong(Kit.nth(bornShiftHours, Integer.parseInt(index.group(1))));
                    header.getClass().getMethod("setG", Long.class)
                        .invoke(header, (Long) get(header, "G") + hours * 3_600_000);
                }
            }
        } catch (ReflectiveOperationException e) {
            throw new LinkageError("the client's headers changed", e);
        }
    }

    private static Object get(CommandCustomHeader header, String field) throws ReflectiveOperationException {
        return header.getClass().getMethod("get" + field).invoke(header);
    }

    @Override
    public void doAfterResponse(String address, RemotingCommand request, RemotingCommand response) {
    }
}
