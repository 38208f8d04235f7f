//! Through a SOCKS 5 proxy that wants a user and password (RFC 1928, RFC 1929).

mod common;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use common::emulator;
use forcegrant::{Client, ClientBuilder, Environment, Roots};
use forcegrant_emulator::Emulator;

/// Takes connections until the process ends, and leads each to `target`. Tells the user, password, and host and
/// port that were asked for.
fn socks(target: SocketAddr) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (told, heard) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let told = told.clone();
            thread::spawn(move || {
                let mut stream = stream;
                let _ = serve(&mut stream, target, |said| drop(told.send(said)));
            });
        }
    });
    (address, heard)
}

fn take(stream: &mut TcpStream, count: u8) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::from(count)];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn serve(stream: &mut TcpStream, target: SocketAddr, tell: impl Fn(String)) -> io::Result<()> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let methods = take(stream, 2)?[1];
    take(stream, methods)?;
    stream.write_all(&[5, 2])?;
    let user = take(stream, 2)?[1];
    let user = text(take(stream, user)?);
    let password = take(stream, 1)?[0];
    let password = text(take(stream, password)?);
    let right = password == "p@ss";
    stream.write_all(&[1, u8::from(!right)])?;
    if !right {
        tell(format!("{user}:{password}"));
        return Ok(());
    }
    let host = take(stream, 5)?[4];
    let host = text(take(stream, host)?);
    let port = take(stream, 2)?;
    let port = u16::from_be_bytes([port[0], port[1]]);
    tell(format!("{user}:{password}@{host}:{port}"));
    stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    let mut onward = TcpStream::connect(target)?;
    let (mut from, mut to) = (stream.try_clone()?, onward.try_clone()?);
    let back = thread::spawn(move || io::copy(&mut to, &mut from));
    io::copy(stream, &mut onward)?;
    onward.shutdown(std::net::Shutdown::Write)?;
    let _ = back.join();
    Ok(())
}

fn builder(emulator: &Emulator, proxy: &str) -> ClientBuilder {
    let org = emulator.default_org();
    Client::builder(
        org.my_domain.as_str(),
        org.client_id.as_str(),
        org.client_secret.as_str(),
    )
    .roots(Roots::Pem(emulator.ca_pem().as_bytes().to_vec()))
    .environment(Environment::of([("ALL_PROXY", proxy)]))
}

#[test]
fn the_proxy_looks_up_the_name() {
    let emulator = emulator();
    let (address, heard) = socks(emulator.https_addr());
    let client = builder(&emulator, &format!("socks5h://CORP\\me:p@ss@{address}"));
    client.build_blocking().unwrap().token().unwrap();
    let host = emulator.default_org().my_domain;
    assert_eq!(heard.recv().unwrap(), format!("CORP\\me:p@ss@{host}:443"));
    assert_eq!(emulator.counters().token_requests, 1);
}

#[test]
fn a_wrong_password_is_tried_once() {
    let emulator = emulator();
    let (address, heard) = socks(emulator.https_addr());
    let client = builder(&emulator, &format!("socks5h://me:canary@{address}"));
    let error = client.build_blocking().unwrap().token().unwrap_err();
    assert_eq!(error.code(), "proxy_authentication_required", "{error:?}");
    assert!(error.message().contains("ALL_PROXY"), "{error}");
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["me:canary"]);
}
