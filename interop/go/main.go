// Command interop drives a broker with the unmodified classic Go client.
//
//	interop send | tx-commit | tx-rollback | tx-unknown | tx-told | push
//
// Settings come from the environment: NAMESRV_ADDR, TOPIC, GROUP, PRODUCER_GROUP, RUN, COUNT, WAIT_S, LINGER_S, CHECK.
// One JSON object is printed per event; the exit code is 0 only when everything the program itself can judge was right.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
	"github.com/apache/rocketmq-client-go/v2/rlog"
)

func env(name, fallback string) string {
	if value, ok := os.LookupEnv(name); ok {
		return value
	}
	return fallback
}

func number(name string, fallback int) int {
	if value, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return value
	}
	return fallback
}

var (
	nameServer    = []string{env("NAMESRV_ADDR", "127.0.0.1:9876")}
	topic         = env("TOPIC", "interop")
	group         = env("GROUP", "interop_group")
	producerGroup = env("PRODUCER_GROUP", "interop_go_producer")
	run           = env("RUN", strconv.FormatInt(time.Now().UnixMilli(), 36))
	count         = number("COUNT", 3)
	wait          = time.Duration(number("WAIT_S", 60)) * time.Second
	linger        = time.Duration(number("LINGER_S", 1)) * time.Second
	check         = env("CHECK", "commit")
)

var printing sync.Mutex

func emit(event string, fields map[string]any) {
	line := map[string]any{"event": event, "at": time.Now().UnixMilli()}
	for name, value := range fields {
		line[name] = value
	}
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	printing.Lock()
	defer printing.Unlock()
	fmt.Println(string(text))
}

// ids is a set that listeners fill from many goroutines.
type ids struct {
	mutex sync.Mutex
	seen  map[string]bool
}

func (s *ids) add(id string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.seen == nil {
		s.seen = map[string]bool{}
	}
	s.seen[id] = true
}

func (s *ids) size() int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return len(s.seen)
}

func (s *ids) hasAll(wanted []string) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, id := range wanted {
		if !s.seen[id] {
			return false
		}
	}
	return true
}

// await waits for something at most as long as WAIT_S says, and then for what must not come.
func await(done func() bool) {
	for deadline := time.Now().Add(wait); !done() && time.Now().Before(deadline); {
		time.Sleep(50 * time.Millisecond)
	}
	time.Sleep(linger)
}

func message(index int) *primitive.Message {
	msg := primitive.NewMessage(topic, []byte(fmt.Sprintf("%s %d", run, index)))
	msg.WithTag("interop")
	msg.WithKeys([]string{fmt.Sprintf("%s-%d", run, index)})
	msg.WithProperty("index", strconv.Itoa(index))
	return msg
}

func send() (bool, error) {
	client, err := rocketmq.NewProducer(producer.WithNameServer(nameServer), producer.WithGroupName(producerGroup))
	if err != nil {
		return false, err
	}
	if err := client.Start(); err != nil {
		return false, err
	}
	defer client.Shutdown()
	for i := 0; i < count; i++ {
		result, err := client.SendSync(context.Background(), message(i))
		if err != nil {
			return false, err
		}
		emit("sent", map[string]any{"index": i, "message_id": result.MsgID, "status": result.Status,
			"offset": result.QueueOffset})
	}
	return true, nil
}

// listener decides as outcome says, after a line on standard input where it says so, and answers CHECK when asked.
type listener struct {
	outcome string
	checked ids
	input   *bufio.Reader
}

func state(outcome string) primitive.LocalTransactionState {
	switch outcome {
	case "commit", "told":
		return primitive.CommitMessageState
	case "rollback":
		return primitive.RollbackMessageState
	}
	return primitive.UnknowState
}

func (l *listener) ExecuteLocalTransaction(msg *primitive.Message) primitive.LocalTransactionState {
	if l.outcome == "told" && l.input != nil {
		id := msg.GetProperty(primitive.PropertyUniqueClientMessageIdKeyIndex)
		emit("deciding", map[string]any{"transaction_id": id})
		if _, err := l.input.ReadString('\n'); err != nil {
			emit("input-ended", map[string]any{"error": err.Error()})
		}
		l.input = nil // the first one only
	}
	return state(l.outcome)
}

func (l *listener) CheckLocalTransaction(msg *primitive.MessageExt) primitive.LocalTransactionState {
	emit("checked", map[string]any{"transaction_id": msg.TransactionId, "answer": check, "body": string(msg.Body)})
	l.checked.add(msg.TransactionId)
	return state(check)
}

// transaction sends COUNT halves. With "told" it sends two: the first waits for a line before it is committed, the
// second shows that the client still works.
func transaction(outcome string) (bool, error) {
	answers := &listener{outcome: outcome}
	if outcome == "told" {
		answers.input = bufio.NewReader(os.Stdin)
		count = 2
	}
	client, err := rocketmq.NewTransactionProducer(answers,
		producer.WithNameServer(nameServer), producer.WithGroupName(producerGroup))
	if err != nil {
		return false, err
	}
	if err := client.Start(); err != nil {
		return false, err
	}
	defer client.Shutdown()
	var pending []string
	for i := 0; i < count; i++ {
		result, err := client.SendMessageInTransaction(context.Background(), message(i))
		if err != nil {
			return false, err
		}
		emit("half-sent", map[string]any{"index": i, "message_id": result.MsgID, "state": result.State,
			"transaction_id": result.TransactionID})
		if outcome == "unknown" {
			pending = append(pending, result.MsgID)
		}
	}
	// The broker may ask about halves of other members of the group as well.
	decided := func() bool { return answers.checked.hasAll(pending) }
	await(decided)
	return decided(), nil
}

func push() (bool, error) {
	var got ids
	client, err := rocketmq.NewPushConsumer(consumer.WithNameServer(nameServer), consumer.WithGroupName(group),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset))
	if err != nil {
		return false, err
	}
	receive := func(_ context.Context, batch ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		for _, msg := range batch {
			if !strings.HasPrefix(string(msg.Body), run+" ") {
				continue
			}
			emit("received", map[string]any{"index": msg.GetProperty("index"), "message_id": msg.MsgId,
				"transaction_id": msg.TransactionId, "queue": msg.Queue.QueueId, "offset": msg.QueueOffset,
				"tag": msg.GetTags(), "keys": msg.GetKeys(), "attempt": msg.ReconsumeTimes + 1})
			got.add(msg.MsgId)
		}
		return consumer.ConsumeSuccess, nil
	}
	if err := client.Subscribe(topic, consumer.MessageSelector{}, receive); err != nil {
		return false, err
	}
	if err := client.Start(); err != nil {
		return false, err
	}
	await(func() bool { return got.size() >= max(count, 1) })
	return got.size() == count, client.Shutdown()
}

func main() {
	rlog.SetLogLevel("warn") // to standard error
	parts := map[string]func() (bool, error){
		"send":        send,
		"tx-commit":   func() (bool, error) { return transaction("commit") },
		"tx-rollback": func() (bool, error) { return transaction("rollback") },
		"tx-unknown":  func() (bool, error) { return transaction("unknown") },
		"tx-told":     func() (bool, error) { return transaction("told") },
		"push":        push,
	}
	name := ""
	if len(os.Args) > 1 {
		name = os.Args[1]
	}
	part, ok := parts[name]
	if !ok {
		fmt.Fprintln(os.Stderr, "usage: send | tx-commit | tx-rollback | tx-unknown | tx-told | push")
		os.Exit(2)
	}
	done, err := part()
	if err == nil && !done {
		err = errors.New("not everything happened that should have")
	}
	if err != nil {
		emit("failed", map[string]any{"error": err.Error()})
		os.Exit(1)
	}
	emit("done", map[string]any{"ok": true})
}
