//! Appends, reads, follows, recovers, and retries with a producer, over WalService.

use std::{env, error::Error, time::Duration};

use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::{ErrorInfo, RpcStatusExt, StatusExt};

pub mod walden {
    tonic::include_proto!("walden.v1");
}
use walden::streamed_append_result::Outcome;
use walden::wal_service_client::WalServiceClient;
use walden::{
    AppendRequest, AppendResponse, AppendStreamRequest, Bound, OpenProducerRequest, ProducerBatch,
    ReadRequest, RecoverRequest, StreamedAppend, TableAppend, TableRange, bound, read_request,
};

const REGION: u64 = 1;
const TABLE: u64 = 9;
const OTHER_TABLE: u64 = 10;

type Wal = WalServiceClient<Channel>;

fn payloads_for(table_id: u64, payloads: &[&str]) -> TableAppend {
    let payloads = payloads.iter().map(|text| text.as_bytes().to_vec()).collect();
    TableAppend { table_id, payloads, ..Default::default() }
}

/// Appends one batch, which is stored in all of its tables or in none.
async fn append(wal: &mut Wal, tables: Vec<TableAppend>) -> Result<AppendResponse, Status> {
    let request = AppendRequest { region_id: REGION, tables, ..Default::default() };
    let appended = wal.append(request).await?.into_inner();
    assert!(appended.durable);
    Ok(appended)
}

fn numbers(written: &TableRange) -> String {
    format!("{} to {}", written.first_sequence, written.last_sequence)
}

async fn append_two(wal: &mut Wal) -> Result<(), Box<dyn Error>> {
    let appended = append(wal, vec![payloads_for(TABLE, &["one", "two"])]).await?;
    println!("appended: {}, durable", numbers(&appended.tables[0]));
    Ok(())
}

async fn read_table(wal: &mut Wal, table_id: u64) -> Result<String, Box<dyn Error>> {
    let request = ReadRequest { region_id: REGION, table_id, ..Default::default() };
    let mut stream = wal.read(request).await?.into_inner();
    let mut records = Vec::new();
    while let Some(response) = stream.message().await? {
        for record in response.records {
            records.push(format!("{} {}", record.sequence, String::from_utf8(record.payload)?));
        }
    }
    Ok(records.join(", "))
}

async fn read(wal: &mut Wal) -> Result<(), Box<dyn Error>> {
    println!("read: {}", read_table(wal, TABLE).await?);
    Ok(())
}

/// Appends one record once the stream has caught up, and ends when it arrives.
async fn follow(wal: &mut Wal) -> Result<(), Box<dyn Error>> {
    let request = ReadRequest {
        region_id: REGION,
        table_id: TABLE,
        beginning: Some(read_request::Beginning::Start(Bound {
            limit: Some(bound::Limit::Exclusive(2)),
        })),
        follow: true,
        ..Default::default()
    };
    let mut stream = wal.read(request).await?.into_inner();
    let mut appended = false;
    while let Some(response) = stream.message().await? {
        if let Some(record) = response.records.into_iter().next() {
            let payload = String::from_utf8(record.payload)?;
            println!("followed: caught up, then {} {payload}", record.sequence);
            return Ok(());
        }
        if response.caught_up && !appended {
            appended = true;
            append(wal, vec![payloads_for(TABLE, &["three"])]).await?;
        }
    }
    Err("the stream ended".into())
}

async fn recover(wal: &mut Wal) -> Result<(), Box<dyn Error>> {
    let request = RecoverRequest { region_id: REGION, ..Default::default() };
    let mut stream = wal.recover(request).await?.into_inner();
    let mut records = 0;
    let mut summary = None;
    while let Some(response) = stream.message().await? {
        records += response.records.len() as u64;
        summary = response.summary.or(summary);
    }
    let summary = summary.ok_or("the stream was cut")?;
    assert_eq!(summary.record_count, records);
    println!(
        "recovered: {records} records with {} bytes in {} table",
        summary.payload_bytes, summary.table_count
    );
    Ok(())
}

/// Decodes the reason of a refusal, and one value of its metadata.
fn reason(code: Code, info: Option<ErrorInfo>, key: &str) -> Result<String, Box<dyn Error>> {
    let info = info.ok_or("the error has no reason")?;
    let value = info.metadata.get(key).ok_or("no metadata")?;
    let code = match code {
        Code::Aborted => "ABORTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        other => other.description(),
    };
    Ok(format!("{code}, {}, {key} {value}", info.reason))
}

async fn refused(wal: &mut Wal) -> Result<(), Box<dyn Error>> {
    let batch =
        TableAppend { expected_next_sequence: Some(1), ..payloads_for(TABLE, &["never stored"]) };
    let status = append(wal, vec![batch]).await.expect_err("must be refused");
    let info = status.get_details_error_info();
    println!("refused: {}", reason(status.code(), info, "actual_next_sequence")?);
    Ok(())
}

/// Sends batches in one message of a stream, and returns the answers in the order of the batches.
async fn append_stream(
    wal: &mut Wal,
    batches: Vec<AppendRequest>,
) -> Result<Vec<Outcome>, Box<dyn Error>> {
    let appends: Vec<_> = (0..)
        .zip(batches)
        .map(|(request_id, batch)| StreamedAppend { request_id, append: Some(batch) })
        .collect();
    let mut outcomes = vec![None; appends.len()];
    let messages = tokio_stream::once(AppendStreamRequest { appends });
    let mut stream = wal.append_stream(messages).await?.into_inner();
    while let Some(response) = stream.message().await? {
        for result in response.results {
            outcomes[result.request_id as usize] = result.outcome;
        }
    }
    outcomes.into_iter().collect::<Option<_>>().ok_or("a batch has no answer".into())
}

fn describe(outcome: &Outcome) -> Result<String, Box<dyn Error>> {
    match outcome {
        Outcome::Response(appended) => {
            let outcome = if appended.duplicate { "duplicate" } else { "stored" };
            Ok(format!("{}, {outcome}", numbers(&appended.tables[0])))
        }
        Outcome::Error(status) => {
            let info = status.get_details_error_info();
            reason(status.code.into(), info, "expected_producer_sequence")
        }
    }
}

/// Numbers its batches, so that the daemon recognises one that is sent again.
async fn produce(wal: &mut Wal) -> Result<(), Box<dyn Error>> {
    let request = OpenProducerRequest { region_id: REGION, ..Default::default() };
    let id = wal.open_producer(request).await?.into_inner().producer_id;
    let batch = |sequence, payloads| AppendRequest {
        region_id: REGION,
        tables: vec![payloads_for(TABLE, payloads)],
        producer: Some(ProducerBatch { producer_id: id, producer_sequence: sequence }),
        ..Default::default()
    };
    let first = batch(1, &["four", "five"]);
    let stored = append_stream(wal, vec![first.clone()]).await?;
    // Sends the first batch again, as after a stream that broke before the answer. The second is left out,
    // so the third is refused.
    let more = append_stream(wal, vec![first, batch(3, &["never stored"])]).await?;
    println!("produced: {}", describe(&stored[0])?);
    println!("produced again: {}", describe(&more[0])?);
    println!("refused: {}", describe(&more[1])?);
    Ok(())
}

async fn append_to_two_tables(wal: &mut Wal) -> Result<(), Box<dyn Error>> {
    let batch = vec![payloads_for(TABLE, &["six"]), payloads_for(OTHER_TABLE, &["seven", "eight"])];
    let appended = append(wal, batch).await?;
    let written: Vec<_> = appended
        .tables
        .iter()
        .map(|table| format!("{} has {}", table.table_id, numbers(table)))
        .collect();
    println!("appended to two tables: {}", written.join(", "));
    for table in &appended.tables {
        println!("read table {}: {}", table.table_id, read_table(wal, table.table_id).await?);
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).ok_or("usage: walden-try ADDRESS")?;
    let channel = Endpoint::from_shared(format!("http://{address}"))?
        .timeout(Duration::from_secs(30))
        .connect()
        .await?;
    let health = HealthClient::new(channel.clone())
        .check(HealthCheckRequest::default())
        .await?
        .into_inner();
    println!("health: {}", health.status().as_str_name());
    let mut wal = WalServiceClient::new(channel);
    append_two(&mut wal).await?;
    read(&mut wal).await?;
    follow(&mut wal).await?;
    recover(&mut wal).await?;
    refused(&mut wal).await?;
    produce(&mut wal).await?;
    append_to_two_tables(&mut wal).await
}
