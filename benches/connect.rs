//! What it costs to know who a client is: CPU of the gateway per connect, for each source of identity, over plain TCP so
//! that no handshake is in it, and once over mTLS.
//!
//! `cargo bench --bench connect -- [--quick] [--rounds N]`. Two gateways take turns: one remembers good answers, one asks each time.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the report is the product of this program")]
#![expect(clippy::indexing_slicing, reason = "indices come from the program's own lengths; a panic ends a bench only")]

use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use aws_lc_rs::{hmac, rsa};
use data_encoding::BASE64URL_NOPAD;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use tidegate::credentials::password::{Cost, hash};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const SECRET: &[u8; 32] = b"a secret of thirty-two bytes ...";

/// The listeners: name, its settings.
const LISTENERS: [(&str, &str); 7] = [
    ("anonymous", "sources = [\"anonymous\"]"),
    ("address", "sources = [\"address\"], address.from = [\"127.0.0.0/8\"]"),
    ("password", "sources = [\"password\"], password.files = [\"passwords\"]"),
    (
        "token",
        "sources = [\"token\"], token = { keys = \"keys.json\", algorithms = [\"HS256\", \"ES256\", \"RS256\"] }",
    ),
    ("http", "sources = [\"http\"], http.url = \"http://SERVICE/\""),
    ("certificate", "sources = [\"certificate\"]"),
    ("turned-away", "sources = [\"anonymous\"]"),
];

/// Threads that dial where they are turned away: a flood is no single file.
const FLOODING: usize = 4;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` runs this program too; only `cargo bench` says so.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let rounds = arguments.iter().position(|argument| argument == "--rounds").and_then(|at| arguments.get(at + 1));
    let usual = if arguments.iter().any(|argument| argument == "--quick") { 5 } else { 15 };
    match run(rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(usual)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("connect: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One row: what it is, the listener, whether the gateway remembers, what is shown, connects per round.
type Row<'r> = (&'static str, &'static str, bool, Option<&'r str>, usize);

fn run(rounds: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let tokens = prepare(folder.path())?;
    let broker = serve(|_| b"\x20\x02\x00\x00".to_vec())?;
    let service = serve(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"allow\": true}".to_vec())?;
    let gateways = [true, false].map(|remembers| Gateway::start(folder.path(), remembers, broker, service));
    let [remembering, asking] = gateways;
    let (remembering, asking) = (remembering?, asking?);
    let tls = tls_client(folder.path())?;
    let [hs256, es256, rs256] = &tokens;
    let rows: [Row<'_>; 12] = [
        ("anonymous", "anonymous", true, None, 100),
        ("address", "address", true, None, 100),
        ("token, HS256", "token", true, Some(hs256), 100),
        ("token, ES256", "token", true, Some(es256), 100),
        ("token, RS256 (2048)", "token", true, Some(rs256), 100),
        ("password, remembered", "password", true, Some("open sesame"), 100),
        ("password, checked (19 MiB, 2 passes)", "password", false, Some("open sesame"), 10),
        ("service, remembered", "http", true, Some("open sesame"), 100),
        ("service, asked over HTTP", "http", false, Some("open sesame"), 100),
        ("certificate, handshake included", "certificate", true, None, 50),
        ("turned away by a list of addresses", "turned-away", true, None, 2000),
        ("anonymous, once more", "anonymous", true, None, 100),
    ];
    let mut figures = vec![Vec::new(); rows.len()];
    for _ in 0..rounds {
        for ((_, listener, remembers, shown, count), figures) in rows.iter().zip(&mut figures) {
            let gateway = if *remembers { &remembering } else { &asking };
            figures.push(gateway.measure(listener, *shown, *count, &tls)?);
        }
    }
    println!(
        "CPU µs of the gateway per connect: accept, CONNECT, dial, CONNACK, DISCONNECT; median of {rounds} rounds (quartiles)"
    );
    for ((name, ..), mut figures) in rows.iter().zip(figures) {
        figures.sort_by(f64::total_cmp);
        let at = |quarter: usize| figures[(figures.len() - 1) * quarter / 4];
        println!("  {name:<40}{:>10.0}   ({:.0}–{:.0})", at(2), at(1), at(3));
    }
    Ok(())
}

struct Gateway {
    process: Child,
    addresses: Vec<SocketAddr>,
}

impl Gateway {
    fn start(folder: &Path, remembers: bool, broker: SocketAddr, service: SocketAddr) -> Result<Self> {
        let addresses = LISTENERS.iter().map(|_| free_address()).collect::<Result<Vec<_>>>()?;
        let cache = if remembers { "1h" } else { "0s" };
        let mut settings = format!("policies = [\"policy\"]\n[authentication]\ncache = \"{cache}\"\n{FAST}");
        for ((name, identity), address) in LISTENERS.iter().zip(&addresses) {
            let identity = identity.replace("SERVICE", &service.to_string());
            let identity = if *name == "http" { format!("{identity}, http.cache = \"{cache}\"") } else { identity };
            settings += &format!(
                "[[listener]]\nname = \"{name}\"\nbind = \"{address}\"\nbroker = \"stub\"\nidentity = {{ {identity} }}\n"
            );
            if *name == "turned-away" {
                settings += "addresses.deny = [\"everybody\"]\n";
            }
            if *name == "certificate" {
                settings += "tls = { certificate = \"pki/gateway.pem\", key = \"pki/gateway.key\", client_ca = \"pki/ca.pem\" }\n";
            }
        }
        settings += &format!("[[broker]]\nname = \"stub\"\nservers = [\"{broker}\"]\n");
        let file = folder.join(format!("{cache}.toml"));
        fs::write(&file, settings)?;
        let said = fs::File::create(folder.join("said"))?;
        let mut command = tidegate();
        command.arg("run").arg("-c").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
        let mut process = command.spawn()?;
        let give_up = Instant::now() + Duration::from_secs(10);
        while addresses.iter().any(|address| TcpStream::connect(address).is_err()) {
            if Instant::now() > give_up || process.try_wait()?.is_some() {
                let _ = process.kill();
                return Err(fs::read_to_string(folder.join("said"))?.into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { process, addresses })
    }

    /// CPU µs per connect, of all threads.
    fn measure(&self, listener: &str, shown: Option<&str>, count: usize, tls: &Arc<ClientConfig>) -> Result<f64> {
        let at = LISTENERS.iter().position(|(name, _)| *name == listener).ok_or("no such listener")?;
        let connect = connect_packet(shown);
        let tls = (listener == "certificate").then_some(tls);
        let address = self.addresses[at];
        let is_flood = listener == "turned-away";
        let once = || if is_flood { turned_away(address) } else { exchange(address, &connect, tls) };
        once()?;
        thread::sleep(Duration::from_millis(20));
        let before = self.cpu()?;
        if is_flood {
            thread::scope(|scope| {
                for _ in 0..FLOODING {
                    scope.spawn(|| (0..count / FLOODING).for_each(|_| drop(turned_away(address))));
                }
            });
        } else {
            for _ in 0..count {
                once()?;
            }
        }
        // The last thread's time is counted once it sleeps again.
        thread::sleep(Duration::from_millis(50));
        Ok((self.cpu()? - before).as_secs_f64() * 1e6 / count as f64)
    }

    fn cpu(&self) -> Result<Duration> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            let Ok(line) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
            nanoseconds += line.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn tidegate() -> Command {
    Command::new(env!("CARGO_BIN_EXE_tidegate"))
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Settings under which nobody is refused for coming so often.
const FAST: &str =
    "[addresses]\nexempt = [\"127.0.0.1\"]\n[protection]\nflapping = \"1000000/1s\"\ntakeovers = \"1000000/1s\"\n";

/// Dials, and is closed without a word.
fn turned_away(address: SocketAddr) -> Result<()> {
    let mut tcp = TcpStream::connect(address)?;
    match tcp.read(&mut [0; 4]) {
        Ok(0) | Err(_) => Ok(()),
        Ok(_) => Err("not turned away".into()),
    }
}

/// One client from its SYN to its DISCONNECT.
fn exchange(address: SocketAddr, connect: &[u8], tls: Option<&Arc<ClientConfig>>) -> Result<()> {
    let tcp = TcpStream::connect(address)?;
    tcp.set_nodelay(true)?;
    tcp.set_read_timeout(Some(Duration::from_secs(20)))?;
    match tls {
        None => speak(tcp, connect),
        Some(config) => {
            let session = ClientConnection::new(Arc::clone(config), ServerName::try_from("localhost")?)?;
            speak(StreamOwned::new(session, tcp), connect)
        }
    }
}

fn speak(mut stream: impl Read + Write, connect: &[u8]) -> Result<()> {
    stream.write_all(connect)?;
    let mut connack = [0; 4];
    stream.read_exact(&mut connack)?;
    if connack != [0x20, 2, 0, 0] {
        return Err(format!("CONNACK {connack:02x?}").into());
    }
    stream.write_all(&[0xe0, 0])?;
    Ok(stream.flush()?)
}

/// Answers each time that something comes, on a thread for each connection.
fn serve(answer: fn(&[u8]) -> Vec<u8>) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(std::result::Result::ok) {
            thread::spawn(move || {
                let mut chunk = [0; 8192];
                while let Ok(count @ 3..) = stream.read(&mut chunk) {
                    if stream.write_all(&answer(&chunk[..count])).is_err() {
                        return;
                    }
                }
            });
        }
    });
    Ok(address)
}

/// CONNECT of 3.1.1 by the user `pump-7`.
fn connect_packet(password: Option<&str>) -> Vec<u8> {
    let string = |text: &str| [&u16::try_from(text.len()).unwrap_or_default().to_be_bytes(), text.as_bytes()].concat();
    let mut body = string("MQTT");
    body.extend([4, if password.is_some() { 0xc2 } else { 2 }, 0, 60]);
    body.extend(string("pump-7"));
    if let Some(password) = password {
        body.extend([string("pump-7"), string(password)].concat());
    }
    let mut packet = vec![0x10];
    let mut left = body.len();
    loop {
        let low = u8::try_from(left % 128).unwrap_or_default();
        left /= 128;
        packet.push(if left > 0 { low | 0x80 } else { low });
        if left == 0 {
            packet.extend(body);
            return packet;
        }
    }
}

/// Writes policy, certificates, passwords and keys; gives a token of each algorithm.
fn prepare(folder: &Path) -> Result<[String; 3]> {
    fs::create_dir(folder.join("policy"))?;
    fs::write(folder.join("policy/policy.toml"), "version = \"1\"\npermit_all = true\n")?;
    for arguments in
        [&["init", "pki"][..], &["server", "pki", "gateway", "--dns", "localhost"], &["client", "pki", "pump-7"]]
    {
        let made = tidegate().arg("pki").args(arguments).current_dir(folder).stdout(Stdio::null()).status()?;
        made.success().then_some(()).ok_or("tidegate pki failed")?;
    }
    fs::write(folder.join("everybody"), "0.0.0.0/0\n")?;
    fs::write(folder.join("passwords"), format!("pump-7:{}\n", *hash(b"open sesame", Cost::default())?))?;
    let (ec, rsa) =
        (EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?, RsaKeyPair::generate(KeySize::Rsa2048)?);
    let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    let point = ec.public_key().as_ref();
    let public: rsa::PublicKeyComponents<Vec<u8>> = rsa.public_key().into();
    let keys = json!({"keys": [
        {"kty": "oct", "kid": "HS256", "k": encode(SECRET)},
        {"kty": "EC", "crv": "P-256", "kid": "ES256", "x": encode(&point[1..33]), "y": encode(&point[33..])},
        {"kty": "RSA", "kid": "RS256", "n": encode(&public.n), "e": encode(&public.e)},
    ]});
    fs::write(folder.join("keys.json"), keys.to_string())?;
    let token = |algorithm: &str, sign: &dyn Fn(&[u8]) -> Result<Vec<u8>>| -> Result<String> {
        let message = format!("{}.{}", encode(header(algorithm).as_bytes()), encode(claims()?.to_string().as_bytes()));
        Ok(format!("{message}.{}", encode(&sign(message.as_bytes())?)))
    };
    let random = SystemRandom::new();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    Ok([
        token("HS256", &|message| Ok(hmac::sign(&key, message).as_ref().to_vec()))?,
        token("ES256", &|message| Ok(ec.sign(&random, message)?.as_ref().to_vec()))?,
        token("RS256", &|message| {
            let mut signature = vec![0; rsa.public_modulus_len()];
            rsa.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)?;
            Ok(signature)
        })?,
    ])
}

fn header(algorithm: &str) -> String {
    json!({"alg": algorithm, "kid": algorithm, "typ": "JWT"}).to_string()
}

fn claims() -> Result<Value> {
    let now = SystemTime::UNIX_EPOCH.elapsed()?.as_secs();
    Ok(json!({"sub": "pump-7", "exp": now + 3600, "iat": now, "site": "north", "roles": ["sensor", "line1"]}))
}

fn tls_client(folder: &Path) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("pki/ca.pem"))?)?;
    let chain = CertificateDer::pem_file_iter(folder.join("pki/pump-7.pem"))?.collect::<std::result::Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(folder.join("pki/pump-7.key"))?;
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_client_auth_cert(chain, key)?;
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}
