//! Uses each kind of call of WalService once.

use std::{env, error::Error, time::Duration};

use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt;

pub mod walden {
    tonic::include_proto!("walden.v1");
}
use walden::wal_service_client::WalServiceClient;
use walden::{
    AppendRequest, AppendResponse, Bound, ReadRequest, RecoverRequest, TableAppend, bound,
    read_request,
};

const REGION: u64 = 1;
const TABLE: u64 = 9;

type Wal = WalServiceClient<Channel>;

async fn append(
    wal: &mut Wal,
    expected_next_sequence: Option<u64>,
    payloads: &[&str],
) -> Result<AppendResponse, Status> {
    let batch = TableAppend {
        table_id: TABLE,
        payloads: payloads.iter().map(|text| text.as_bytes().to_vec()).collect(),
        expected_next_sequence,
    };
    let request = AppendRequest { region_id: REGION, tables: vec![batch], ..Default::default() };
    Ok(wal.append(request).await?.into_inner())
}

async fn read(wal: &mut Wal) -> Result<(), Box<dyn Error>> {
    let request = ReadRequest { region_id: REGION, table_id: TABLE, ..Default::default() };
    let mut stream = wal.read(request).await?.into_inner();
    let mut records = Vec::new();
    while let Some(response) = stream.message().await? {
        for record in response.records {
            records.push(format!("{} {}", record.sequence, String::from_utf8(record.payload)?));
        }
    }
    println!("read: {}", records.join(", "));
    Ok(())
}

/// Appends one record once the stream has caught up, and ends when it arrives.
async fn follow(wal: &mut Wal) -> Result<(), Box<dyn Error>> {
    let request = ReadRequest {
        region_id: REGION,
        table_id: TABLE,
        beginning: Some(read_request::Beginning::Start(Bound {
            bound: Some(bound::Bound::Exclusive(2)),
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
            append(wal, None, &["three"]).await?;
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

async fn refused(wal: &mut Wal) -> Result<(), Box<dyn Error>> {
    let status = append(wal, Some(1), &["four"]).await.expect_err("must be refused");
    assert_eq!(status.code(), Code::Aborted);
    let info = status.get_details_error_info().ok_or("the error has no reason")?;
    let actual = info.metadata.get("actual_next_sequence").ok_or("no metadata")?;
    println!("refused: ABORTED, {}, actual_next_sequence {actual}", info.reason);
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
    let appended = append(&mut wal, None, &["one", "two"]).await?;
    assert!(appended.durable);
    let numbers = &appended.tables[0];
    println!("appended: {} to {}, durable", numbers.first_sequence, numbers.last_sequence);
    read(&mut wal).await?;
    follow(&mut wal).await?;
    recover(&mut wal).await?;
    refused(&mut wal).await
}
