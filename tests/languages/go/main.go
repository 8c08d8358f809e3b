// Appends, reads, follows, recovers, and retries with a producer, over WalService. The stubs are generated
// beside this file.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	waldenv1 "walden.example/clients/go/walden/v1"
)

const (
	region     = 1
	table      = 9
	otherTable = 10
)

func payloadsFor(id uint64, payloads ...string) *waldenv1.TableAppend {
	batch := &waldenv1.TableAppend{TableId: id}
	for _, payload := range payloads {
		batch.Payloads = append(batch.Payloads, []byte(payload))
	}
	return batch
}

// Appends one batch, which is stored in all of its tables or in none.
func appendBatch(ctx context.Context, wal waldenv1.WalServiceClient,
	tables ...*waldenv1.TableAppend) (*waldenv1.AppendResponse, error) {
	appended, err := wal.Append(ctx, &waldenv1.AppendRequest{RegionId: region, Tables: tables})
	if err != nil {
		return nil, err
	}
	if !appended.Durable {
		return nil, fmt.Errorf("not durable: %v", appended)
	}
	return appended, nil
}

func numbers(written *waldenv1.TableRange) string {
	return fmt.Sprintf("%d to %d", written.FirstSequence, written.LastSequence)
}

func appendTwo(ctx context.Context, wal waldenv1.WalServiceClient) error {
	appended, err := appendBatch(ctx, wal, payloadsFor(table, "one", "two"))
	if err != nil {
		return err
	}
	fmt.Printf("appended: %s, durable\n", numbers(appended.Tables[0]))
	return nil
}

func readTable(ctx context.Context, wal waldenv1.WalServiceClient, id uint64) (string, error) {
	stream, err := wal.Read(ctx, &waldenv1.ReadRequest{RegionId: region, TableId: id})
	if err != nil {
		return "", err
	}
	var records []string
	for {
		response, err := stream.Recv()
		if err == io.EOF {
			return strings.Join(records, ", "), nil
		}
		if err != nil {
			return "", err
		}
		for _, record := range response.Records {
			records = append(records, fmt.Sprintf("%d %s", record.Sequence, record.Payload))
		}
	}
}

func read(ctx context.Context, wal waldenv1.WalServiceClient) error {
	records, err := readTable(ctx, wal, table)
	if err != nil {
		return err
	}
	fmt.Println("read:", records)
	return nil
}

// Appends one record once the stream has caught up, and ends when it arrives.
func follow(ctx context.Context, wal waldenv1.WalServiceClient) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := wal.Read(ctx, &waldenv1.ReadRequest{
		RegionId: region, TableId: table, Follow: true,
		Beginning: &waldenv1.ReadRequest_Start{Start: &waldenv1.Bound{
			Limit: &waldenv1.Bound_Exclusive{Exclusive: 2}}}})
	if err != nil {
		return err
	}
	appended := false
	for {
		response, err := stream.Recv()
		if err != nil {
			return err
		}
		for _, record := range response.Records {
			fmt.Printf("followed: caught up, then %d %s\n", record.Sequence, record.Payload)
			return nil
		}
		if response.CaughtUp && !appended {
			appended = true
			if _, err := appendBatch(ctx, wal, payloadsFor(table, "three")); err != nil {
				return err
			}
		}
	}
}

func recoverRegion(ctx context.Context, wal waldenv1.WalServiceClient) error {
	stream, err := wal.Recover(ctx, &waldenv1.RecoverRequest{RegionId: region})
	if err != nil {
		return err
	}
	var records uint64
	var summary *waldenv1.RecoverSummary
	for {
		response, err := stream.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		records += uint64(len(response.Records))
		if response.Summary != nil {
			summary = response.Summary
		}
	}
	if summary == nil || summary.RecordCount != records {
		return fmt.Errorf("the stream was cut: %d records, summary %v", records, summary)
	}
	fmt.Printf("recovered: %d records with %d bytes in %d table\n", records, summary.PayloadBytes,
		summary.TableCount)
	return nil
}

// Decodes the reason of a refusal, and one value of its metadata.
func reason(refusal *status.Status, key string) (string, error) {
	for _, detail := range refusal.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return fmt.Sprintf("%s, %s, %s %s", code.Code(refusal.Code()), info.Reason, key,
				info.Metadata[key]), nil
		}
	}
	return "", fmt.Errorf("not a refusal with a reason: %v", refusal)
}

func refused(ctx context.Context, wal waldenv1.WalServiceClient) error {
	batch := payloadsFor(table, "never stored")
	batch.ExpectedNextSequence = proto.Uint64(1)
	_, err := appendBatch(ctx, wal, batch)
	refusal, err := reason(status.Convert(err), "actual_next_sequence")
	if err != nil {
		return err
	}
	fmt.Println("refused:", refusal)
	return nil
}

// Sends batches in one message of a stream, and returns the answers in the order of the batches.
func appendStream(ctx context.Context, wal waldenv1.WalServiceClient,
	batches ...*waldenv1.AppendRequest) ([]*waldenv1.StreamedAppendResult, error) {
	stream, err := wal.AppendStream(ctx)
	if err != nil {
		return nil, err
	}
	message := &waldenv1.AppendStreamRequest{}
	for id, batch := range batches {
		message.Appends = append(message.Appends,
			&waldenv1.StreamedAppend{RequestId: uint64(id), Append: batch})
	}
	// io.EOF: the stream has ended, and Recv returns why.
	if err := stream.Send(message); err != nil && err != io.EOF {
		return nil, err
	}
	if err := stream.CloseSend(); err != nil {
		return nil, err
	}
	results := make([]*waldenv1.StreamedAppendResult, len(batches))
	for {
		response, err := stream.Recv()
		if err == io.EOF {
			return results, nil
		}
		if err != nil {
			return nil, err
		}
		for _, result := range response.Results {
			results[result.RequestId] = result
		}
	}
}

func describe(result *waldenv1.StreamedAppendResult) (string, error) {
	switch result := result.GetOutcome().(type) {
	case *waldenv1.StreamedAppendResult_Response:
		outcome := "stored"
		if result.Response.Duplicate {
			outcome = "duplicate"
		}
		return numbers(result.Response.Tables[0]) + ", " + outcome, nil
	case *waldenv1.StreamedAppendResult_Error:
		return reason(status.FromProto(result.Error), "expected_producer_sequence")
	default:
		return "", fmt.Errorf("no answer")
	}
}

// Numbers its batches, so that the daemon recognises one that is sent again.
func produce(ctx context.Context, wal waldenv1.WalServiceClient) error {
	opened, err := wal.OpenProducer(ctx, &waldenv1.OpenProducerRequest{RegionId: region})
	if err != nil {
		return err
	}
	batch := func(sequence uint64, payloads ...string) *waldenv1.AppendRequest {
		return &waldenv1.AppendRequest{
			RegionId: region,
			Tables:   []*waldenv1.TableAppend{payloadsFor(table, payloads...)},
			Producer: &waldenv1.ProducerBatch{ProducerId: opened.ProducerId, ProducerSequence: sequence},
		}
	}
	first := batch(1, "four", "five")
	results, err := appendStream(ctx, wal, first)
	if err != nil {
		return err
	}
	// Sends the first batch again, as after a stream that broke before the answer. The second is left out,
	// so the third is refused.
	more, err := appendStream(ctx, wal, first, batch(3, "never stored"))
	if err != nil {
		return err
	}
	results = append(results, more...)
	for i, title := range []string{"produced", "produced again", "refused"} {
		outcome, err := describe(results[i])
		if err != nil {
			return err
		}
		fmt.Printf("%s: %s\n", title, outcome)
	}
	return nil
}

func appendToTwoTables(ctx context.Context, wal waldenv1.WalServiceClient) error {
	appended, err := appendBatch(ctx, wal, payloadsFor(table, "six"),
		payloadsFor(otherTable, "seven", "eight"))
	if err != nil {
		return err
	}
	var written []string
	for _, part := range appended.Tables {
		written = append(written, fmt.Sprintf("%d has %s", part.TableId, numbers(part)))
	}
	fmt.Println("appended to two tables:", strings.Join(written, ", "))
	for _, part := range appended.Tables {
		records, err := readTable(ctx, wal, part.TableId)
		if err != nil {
			return err
		}
		fmt.Printf("read table %d: %s\n", part.TableId, records)
	}
	return nil
}

func run(address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	health, err := healthpb.NewHealthClient(connection).Check(ctx, &healthpb.HealthCheckRequest{},
		grpc.WaitForReady(true))
	if err != nil {
		return err
	}
	fmt.Println("health:", health.Status)
	wal := waldenv1.NewWalServiceClient(connection)
	for _, step := range []func(context.Context, waldenv1.WalServiceClient) error{
		appendTwo, read, follow, recoverRegion, refused, produce, appendToTwoTables} {
		if err := step(ctx, wal); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	if err := run(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}
