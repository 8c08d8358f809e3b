// Uses each kind of call of WalService once. The stubs are generated beside this file.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	waldenv1 "walden.example/clients/go/walden/v1"
)

const (
	region = 1
	table  = 9
)

func appendTo(ctx context.Context, wal waldenv1.WalServiceClient, expected *uint64,
	payloads ...string) (*waldenv1.AppendResponse, error) {
	batch := &waldenv1.TableAppend{TableId: table, ExpectedNextSequence: expected}
	for _, payload := range payloads {
		batch.Payloads = append(batch.Payloads, []byte(payload))
	}
	return wal.Append(ctx, &waldenv1.AppendRequest{
		RegionId: region, Tables: []*waldenv1.TableAppend{batch}})
}

func read(ctx context.Context, wal waldenv1.WalServiceClient) error {
	stream, err := wal.Read(ctx, &waldenv1.ReadRequest{RegionId: region, TableId: table})
	if err != nil {
		return err
	}
	var records []string
	for {
		response, err := stream.Recv()
		if err == io.EOF {
			fmt.Println("read:", strings.Join(records, ", "))
			return nil
		}
		if err != nil {
			return err
		}
		for _, record := range response.Records {
			records = append(records, fmt.Sprintf("%d %s", record.Sequence, record.Payload))
		}
	}
}

// Appends one record once the stream has caught up, and ends when it arrives.
func follow(ctx context.Context, wal waldenv1.WalServiceClient) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := wal.Read(ctx, &waldenv1.ReadRequest{
		RegionId: region, TableId: table, Follow: true,
		Beginning: &waldenv1.ReadRequest_Start{Start: &waldenv1.Bound{
			Bound: &waldenv1.Bound_Exclusive{Exclusive: 2}}}})
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
			if _, err := appendTo(ctx, wal, nil, "three"); err != nil {
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

func refused(ctx context.Context, wal waldenv1.WalServiceClient) error {
	expected := uint64(1)
	_, err := appendTo(ctx, wal, &expected, "four")
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && status.Code(err) == codes.Aborted {
			fmt.Printf("refused: ABORTED, %s, actual_next_sequence %s\n", info.Reason,
				info.Metadata["actual_next_sequence"])
			return nil
		}
	}
	return fmt.Errorf("the error has no reason: %w", err)
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
	appended, err := appendTo(ctx, wal, nil, "one", "two")
	if err != nil {
		return err
	}
	if !appended.Durable {
		return fmt.Errorf("not durable: %v", appended)
	}
	fmt.Printf("appended: %d to %d, durable\n", appended.Tables[0].FirstSequence,
		appended.Tables[0].LastSequence)
	for _, step := range []func(context.Context, waldenv1.WalServiceClient) error{
		read, follow, recoverRegion, refused} {
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
