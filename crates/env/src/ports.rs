//! Ports of this machine, for whoever starts nodes here and has to name their addresses first.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with, sockopt};

/// A loopback port that the system gives to nobody else while this lives: neither to who asks for any port, nor to an
/// outgoing connection, which may otherwise be given any free port as its own end. Who names the port may listen on it.
#[derive(Debug)]
pub struct ReservedPort {
    address: SocketAddr,
    /// Bound, but never listened on: with address reuse on both sides another socket may then bind and listen.
    _socket: rustix::fd::OwnedFd,
}

impl ReservedPort {
    /// Any port that is free.
    pub fn any() -> io::Result<Self> {
        Self::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }

    /// This one; an error where another listens on it.
    pub fn at(address: SocketAddr) -> io::Result<Self> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        bind(&socket, &address)?;
        Ok(Self { address: SocketAddr::try_from(getsockname(&socket)?)?, _socket: socket })
    }

    /// Where.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn who_names_a_reserved_port_may_listen_on_it_again_and_again() {
        let port = ReservedPort::any().unwrap();
        assert!(TcpStream::connect(port.address()).is_err(), "nobody listens yet");
        for _ in 0..2 {
            let listener = TcpListener::bind(port.address()).unwrap();
            let caller = TcpStream::connect(port.address()).unwrap();
            let (accepted, _) = listener.accept().unwrap();
            drop((accepted, caller));
        }
    }

    #[test]
    fn no_connection_is_given_a_reserved_port_as_its_own() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let ports: Vec<_> = (0..400).map(|_| ReservedPort::any().unwrap()).collect();
        let reserved: BTreeSet<_> = ports.iter().map(ReservedPort::address).collect();
        assert_eq!(reserved.len(), 400, "none is given twice");
        for _ in 0..400 {
            let caller = TcpStream::connect(server.local_addr().unwrap()).unwrap();
            server.accept().unwrap();
            assert!(!reserved.contains(&caller.local_addr().unwrap()));
        }
    }

    #[test]
    fn a_port_that_somebody_listens_on_is_not_reserved() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(ReservedPort::at(taken.local_addr().unwrap()).is_err());
    }
}
