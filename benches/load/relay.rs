//! The plain byte relay: TLS in, TCP out, nothing read. What a proxy costs that does not look.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::pki::Pki;
use crate::{Result, tls};

/// `relay FOLDER TLS-ADDRESS MTLS-ADDRESS BROKER-ADDRESS`, until killed or until stdin ends.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let [folder, plain, mutual, broker] = arguments else {
        return Err("relay FOLDER TLS-ADDRESS MTLS-ADDRESS BROKER-ADDRESS".into());
    };
    let pki = Pki::at(Path::new(folder));
    let broker: SocketAddr = broker.parse()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let _context = runtime.enter();
    for (address, required) in [(plain, false), (mutual, true)] {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        runtime.spawn(accept(listener, tls::server(&pki, required)?, broker));
    }
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

async fn accept(listener: tokio::net::TcpListener, config: Arc<ServerConfig>, broker: SocketAddr) {
    let acceptor = TlsAcceptor::from(config);
    loop {
        if let Ok((client, _)) = listener.accept().await {
            tokio::spawn(relay(client, acceptor.clone(), broker));
        }
    }
}

async fn relay(client: TcpStream, acceptor: TlsAcceptor, broker: SocketAddr) -> Option<(u64, u64)> {
    client.set_nodelay(true).ok()?;
    let mut client = acceptor.accept(client).await.ok()?;
    let mut broker = TcpStream::connect(broker).await.ok()?;
    broker.set_nodelay(true).ok()?;
    copy_bidirectional(&mut client, &mut broker).await.ok()
}
