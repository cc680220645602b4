// Orders, paid in a transaction that is a database change and a message at once: both happen or neither does.
//
// Needs Go 1.25 or newer; client: github.com/apache/rocketmq-client-go/v2 v2.1.2.
//
//	tandem snippet go --dir orders     writes this file with its go.mod and go.sum
//	cd orders && go run .
//
// It ends with exit code 0 when both orders have come to the consumer: one that was committed at once, and one whose
// producer forgot to say so and was asked.
package main

import (
	"context"
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

const topic = "orders"

var nameServer = []string{"127.0.0.1:9876"}

// set is filled and read by many goroutines.
type set struct{ sync.Map }

func (s *set) add(key string) bool {
	_, known := s.LoadOrStore(key, true)
	return !known
}

func (s *set) has(key string) bool {
	_, known := s.Load(key)
	return known
}

// payment keeps the orders that are paid: it stands for a table of your database.
type payment struct{ paid set }

// ExecuteLocalTransaction runs when the message is stored, and nobody can see it. Change the database here, then say
// what came of it.
func (p *payment) ExecuteLocalTransaction(message *primitive.Message) primitive.LocalTransactionState {
	p.paid.add(message.GetKeys())
	if strings.HasSuffix(message.GetKeys(), "-forgotten") {
		// It is also what the broker makes of a producer that dies before it answers.
		return primitive.UnknowState
	}
	return primitive.CommitMessageState
}

// CheckLocalTransaction runs when the broker asks, in any producer of this group: look into the database.
func (p *payment) CheckLocalTransaction(message *primitive.MessageExt) primitive.LocalTransactionState {
	paid := p.paid.has(message.GetKeys())
	fmt.Println("asked about", message.GetKeys(), "paid:", paid)
	if paid {
		return primitive.CommitMessageState
	}
	return primitive.RollbackMessageState
}

func run() error {
	orders, err := rocketmq.NewTransactionProducer(&payment{},
		producer.WithNameServer(nameServer), producer.WithGroupName("order-service"))
	if err != nil {
		return err
	}
	if err := orders.Start(); err != nil {
		return err
	}
	defer orders.Shutdown()
	prefix := strconv.FormatInt(time.Now().UnixNano(), 36)
	expected := []string{prefix + "-told", prefix + "-forgotten"}
	for _, order := range expected {
		message := primitive.NewMessage(topic, []byte("order "+order)).WithTag("paid").WithKeys([]string{order})
		if _, err := orders.SendMessageInTransaction(context.Background(), message); err != nil {
			return err
		}
		fmt.Println("sent", order)
	}

	var received set
	cart, err := rocketmq.NewPushConsumer(consumer.WithNameServer(nameServer), consumer.WithGroupName("cart-service"),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset))
	if err != nil {
		return err
	}
	// A message can come more than once: what you do with it has to bear that.
	consume := func(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		for _, message := range messages {
			if received.add(message.GetKeys()) && strings.HasPrefix(message.GetKeys(), prefix) {
				fmt.Println("received", message.GetKeys())
			}
		}
		return consumer.ConsumeSuccess, nil
	}
	paid := consumer.MessageSelector{Type: consumer.TAG, Expression: "paid"}
	if err := cart.Subscribe(topic, paid, consume); err != nil {
		return err
	}
	if err := cart.Start(); err != nil {
		return err
	}
	defer cart.Shutdown()

	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if received.has(expected[0]) && received.has(expected[1]) {
			fmt.Println("both orders arrived")
			return nil
		}
	}
	return fmt.Errorf("not all of %v arrived within a minute", expected)
}

func main() {
	// Errors come back to the caller; the client also logs an undecided transaction as one.
	rlog.SetLogLevel("fatal")
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
