//! The main job, shown on this machine: `make demo`, or `make demo ARGS=--once` to end by itself.
//!
//! Makes a throw-away PKI, starts a broker and the gateway, lets devices publish over mTLS and others misbehave, and
//! tells what passed, what was refused and why. With `--once` the exit code says whether it came out as it should.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a demonstration prints")]

mod broker;
mod cast;
mod device;
mod pki;
mod plant;
mod wire;

use std::fs;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::cast::{Audience, Offence, Sensor, Trespasser};
use crate::device::{Failure, PATIENCE};
use crate::plant::Plant;

fn main() -> ExitCode {
    let mut once = false;
    for argument in std::env::args().skip(1) {
        if argument == "--once" {
            once = true;
        } else {
            eprintln!("usage: demo [--once]");
            return ExitCode::from(2);
        }
    }
    match show(once) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("demo: this is not what should have happened");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::from(3)
        }
    }
}

/// Tells the story; `true` when it went as it should.
fn show(once: bool) -> Result<bool, Failure> {
    let stop = stop_on_ctrl_c()?;
    let plant = Plant::start()?;
    println!("Tidegate, the main job\n");
    println!("  devices ──mTLS──> gateway {} ──plain──> broker {}", plant.gateway, plant.broker);
    println!("  The broker is {}; it knows nothing of the gateway.\n", plant.broker_name);

    let mut audience = Audience::take_seats(&plant)?;
    let mut sensors = cast::sensors(&plant)?;
    println!("What passes: messages as the dashboard, itself a client of the gateway, gets them");
    let mut published = publish_round(&mut sensors, &mut audience)?;

    println!("\nWhat is refused: what was tried, what the offender saw, what the audit file says");
    let mut good = true;
    for offence in cast::offences(&plant)? {
        good &= offend(&plant, &offence)?;
    }
    println!("\nWhat the policy refuses: the connection goes on, the broker sees nothing of it");
    good &= trespass(&plant)?;
    println!("\nThe others never noticed");
    published += publish_round(&mut sensors, &mut audience)?;
    let at_the_broker = audience.at_the_broker();
    good &= at_the_broker == published;
    println!("\n{published} messages published, {at_the_broker} at the broker: nothing of what was refused got there.");
    where_to_look(&plant)?;

    while !once && !stop.load(Ordering::Relaxed) {
        publish_round(&mut sensors, &mut audience)?;
        audience.stay()?;
        let until = Instant::now() + Duration::from_secs(2);
        while Instant::now() < until && !stop.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(50));
        }
    }
    sensors.into_iter().for_each(Sensor::leave);
    Ok(good)
}

/// Ctrl-C sets the flag and nothing else, so that everything is taken down in order.
fn stop_on_ctrl_c() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    thread::spawn(move || {
        let heard = runtime.block_on(tokio::signal::ctrl_c());
        flag.store(heard.is_ok(), Ordering::Relaxed);
    });
    Ok(stop)
}

/// Every sensor publishes once and is heard; returns how many did.
fn publish_round(sensors: &mut [Sensor], audience: &mut Audience) -> Result<usize, Failure> {
    for sensor in &mut *sensors {
        let message = sensor.measure()?;
        audience.expect(&message)?;
        let version = if sensor.level == wire::V50 { "5.0  " } else { "3.1.1" };
        println!("  {:<9} MQTT {version} QoS {}   {:<32} {}", sensor.name, sensor.qos, message.0, message.1);
    }
    Ok(sensors.len())
}

/// Lets one offence happen; `true` when it ended as it should.
fn offend(plant: &Plant, offence: &Offence) -> Result<bool, Failure> {
    let mut offender = offence.commit(plant)?;
    let seen = offender.ending();
    let end = end_in_audit(plant, offender.address)?;
    let good = seen.starts_with(offence.seen) && end.cause == offence.cause;
    let remark = if good { "" } else { "   <- not as told" };
    println!("  {:<30} {seen:<31} {:<20}{}{remark}", offence.deed, end.cause, end.statement);
    Ok(good)
}

/// Lets a sensor try what it is not granted; `true` when each was refused as it should.
fn trespass(plant: &Plant) -> Result<bool, Failure> {
    let mut trespasser = Trespasser::connect(plant)?;
    let mut good = true;
    for at in 0..trespasser.trespasses.len() {
        let seen = trespasser.commit(at)?;
        let peer = trespasser.address().to_string();
        let Some(trespass) = trespasser.trespasses.get(at) else { break };
        let refused = record_in_audit(plant, &|record| {
            let text = |field| record.get(field).and_then(serde_json::Value::as_str).unwrap_or_default();
            (text("event") == "refused" && text("peer") == peer && text("topic") == trespass.topic)
                .then(|| format!("{}, rule {}", text("reason"), text("rule")))
        })?;
        let told = seen == trespass.seen;
        let remark = if told { "" } else { "   <- not as told" };
        println!("  {:<30} {seen:<31} {refused}{remark}", trespass.deed);
        good &= told;
    }
    Ok(good)
}

/// What the audit file says of the end of a connection.
struct End {
    cause: String,
    statement: String,
}

/// Waits for the record of the end of the connection from this address.
fn end_in_audit(plant: &Plant, peer: SocketAddr) -> Result<End, Failure> {
    record_in_audit(plant, &|record| {
        let text = |field| record.get(field).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        let cause = match text("event").as_str() {
            "ended" => text("cause"),
            "handshake_failed" => text("reason"),
            _ => return None,
        };
        (text("peer") == peer.to_string()).then(|| End { cause, statement: text("statement") })
    })
}

/// Waits for a record of which `read` makes something.
fn record_in_audit<T>(plant: &Plant, read: &dyn Fn(&serde_json::Value) -> Option<T>) -> Result<T, Failure> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        for line in fs::read_to_string(plant.audit_file())?.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            if let Some(found) = read(&serde_json::from_str(line)?) {
                return Ok(found);
            }
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err(format!("no such record in {}", plant.audit_file().display()).into())
}

fn where_to_look(plant: &Plant) -> Result<(), Failure> {
    println!("\nWhere to look");
    println!("  settings  {}", plant.folder.join("gateway.toml").display());
    println!("  audit     {}", plant.audit_file().display());
    println!("  log       {}", plant.folder.join("gateway.log").display());
    println!("  metrics   http://{}/metrics while it runs, where among others:", plant.admin);
    let metrics = plant.admin_answer("/metrics")?;
    for line in metrics.lines().filter(|line| line.starts_with("tidegate_connections_") && !line.ends_with(" 0")) {
        println!("              {line}");
    }
    Ok(())
}
