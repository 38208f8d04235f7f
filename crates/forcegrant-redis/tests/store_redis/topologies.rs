//! Users, TLS, a Cluster, Sentinels.

use std::time::Duration;

use forcegrant::Roots;
use forcegrant::store::{Acquired, Lease, Put, RedisStore, Store};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::server::{Server, eventually, free_port};
use crate::{acquire, conforms};

/// The rights that the documentation names are enough.
#[tokio::test]
async fn a_user_with_few_rights_is_enough() {
    let server = Server::start(&[]);
    let mut user = vec![
        "ACL",
        "SETUSER",
        "grants",
        "on",
        ">a p@ss/word",
        "resetkeys",
        "-@all",
    ];
    user.push("~forcegrant:*");
    user.extend(
        "+get +set +del +pttl +pexpire +time +hincrby +hgetall +hdel +eval +evalsha".split(' '),
    );
    server.command::<()>(&user);
    let url = format!("redis://grants:a%20p%40ss%2Fword@127.0.0.1:{}", server.port);
    conforms(&RedisStore::new(&url).unwrap()).await;
    let default_user = RedisStore::new(&server.url()).unwrap();
    acquire(&default_user, "k", "aa").await.unwrap();
    // A clone with another password does not use the connection that is open.
    let wrong = default_user.clone().credentials(Some("grants"), "wrong");
    acquire(&wrong, "k", "aa").await.unwrap_err();
    let other = default_user.credentials(Some("grants"), "a p@ss/word");
    acquire(&other, "k", "aa").await.unwrap();
    // Another prefix than the one that the user may use.
    let error = acquire(&other.prefix("other:").unwrap(), "k", "aa").await;
    assert!(error.unwrap_err().to_string().contains("NOPERM"));
}

/// Servers repeat what they were sent, in some errors.
#[tokio::test]
async fn no_password_is_in_an_error() {
    let open = Server::start(&[]);
    let locked = Server::start(&["--requirepass", "right"]);
    for port in [open.port, locked.port] {
        for login in ["me:c4n4ry", ":c4n4ry", "c4n4ry:c4n4ry"] {
            let url = format!("redis://{login}@127.0.0.1:{port}");
            let store = RedisStore::new(&url).unwrap();
            match acquire(&store, "k", "aa").await {
                Ok(_) => panic!("{login} was let in at {port}"),
                Err(error) => {
                    let text = format!("{error} {error:?} {store:?}");
                    assert!(!text.contains("c4n4ry"), "{text}");
                    assert!(
                        text.contains("user or password") || login.starts_with(':'),
                        "{text}"
                    );
                }
            }
        }
    }
    let error = acquire(&RedisStore::new(&locked.url()).unwrap(), "k", "aa").await;
    let text = error.unwrap_err().to_string();
    assert!(text.contains("wrong or missing user or password"), "{text}");
    let url = format!("redis://:right@127.0.0.1:{}", locked.port);
    acquire(&RedisStore::new(&url).unwrap(), "k", "aa")
        .await
        .unwrap();
}

#[tokio::test]
async fn tls_with_an_authority_of_ones_own() {
    let authority = authority();
    let (certificate, key) = certificate_of(&authority);
    let folder = std::env::temp_dir().join(format!("forcegrant-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (certificate_file, key_file) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&certificate_file, certificate).unwrap();
    std::fs::write(&key_file, key).unwrap();
    let port = free_port();
    let server = Server::start(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        certificate_file.to_str().unwrap(),
        "--tls-key-file",
        key_file.to_str().unwrap(),
        "--tls-auth-clients",
        "no",
        "--tls-ca-cert-file",
        certificate_file.to_str().unwrap(),
    ]);
    let url = format!("rediss://localhost:{port}");
    let with = |pem: String| {
        let store = RedisStore::new(&url).unwrap();
        store.roots(Roots::Pem(pem.into_bytes())).unwrap()
    };
    conforms(&with(authority.pem())).await;
    let stranger = acquire(&with(self::authority().pem()), "k", "aa").await;
    let text = stranger.unwrap_err().to_string();
    assert!(text.contains("certificate"), "{text}");
    // Plain text to a TLS port, and TLS to a plain port: an error, at once.
    for url in [
        format!("redis://localhost:{port}"),
        format!("rediss://localhost:{}", server.port),
    ] {
        acquire(&RedisStore::new(&url).unwrap(), "k", "aa")
            .await
            .unwrap_err();
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_cluster_of_three() {
    let cluster = Cluster::start();
    let url = cluster.url();
    conforms(&RedisStore::new(&url).unwrap()).await;
    // Every node as the only one that is known at first, and keys in every part of the slots.
    for node in &cluster.nodes {
        let store = RedisStore::new(&format!("redis+cluster://127.0.0.1:{}", node.port)).unwrap();
        for key in 0..30 {
            let acquired = acquire(&store, &format!("key-{}-{key}", node.port), "aa").await;
            assert!(
                matches!(acquired, Ok(Acquired::Granted { .. })),
                "{acquired:?}"
            );
        }
    }
    // The first node of the URL has stopped.
    let gone = format!(
        "redis+cluster://127.0.0.1:{},127.0.0.1:{}",
        free_port(),
        cluster.nodes[1].port
    );
    let store = RedisStore::new(&gone).unwrap();
    acquire(&store, "k", "aa").await.unwrap();
}

#[tokio::test]
async fn a_slot_that_moves_from_node_to_node() {
    let cluster = Cluster::start();
    let store = RedisStore::new(&cluster.url()).unwrap();
    // Slot 12182 is the third's, and goes to the first.
    let (from, to) = (&cluster.nodes[2], &cluster.nodes[0]);
    let ids = [from, to].map(|node| node.command::<String>(&["CLUSTER", "MYID"]));
    let Ok(Acquired::Granted { fence }) = acquire(&store, "foo", "aa").await else {
        panic!("not granted");
    };
    to.command::<()>(&["CLUSTER", "SETSLOT", "12182", "IMPORTING", &ids[0]]);
    from.command::<()>(&["CLUSTER", "SETSLOT", "12182", "MIGRATING", &ids[1]]);
    let keys: Vec<String> = from.command(&["CLUSTER", "GETKEYSINSLOT", "12182", "10"]);
    assert_eq!(keys.len(), 2, "{keys:?}");
    let to_port = to.port.to_string();
    for (key, sum) in keys.iter().zip(1..) {
        // Scripts on one key follow it; no server runs one on several keys meanwhile.
        assert_eq!(store.get("foo").await.unwrap(), None);
        assert_eq!(store.count("foo", 1).await.unwrap(), sum);
        from.command::<()>(&["MIGRATE", "127.0.0.1", &to_port, key, "0", "5000"]);
        let error = acquire(&store, "foo", "bb").await.unwrap_err();
        assert!(error.to_string().contains("TRYAGAIN"), "{error}");
    }
    for node in [to, from, &cluster.nodes[1]] {
        node.command::<()>(&["CLUSTER", "SETSLOT", "12182", "NODE", &ids[1]]);
    }
    let held = acquire(&store, "foo", "bb").await.unwrap();
    assert!(
        matches!(held, Acquired::Held { fence: f, .. } if f == fence),
        "{held:?}"
    );
    let owner = "aa".to_owned();
    let put = store
        .put(
            "foo",
            b"entry",
            Duration::from_secs(60),
            &Lease { owner, fence },
        )
        .await;
    assert_eq!(put.unwrap(), Put::Stored);
    assert_eq!(
        to.command::<u64>(&["CLUSTER", "COUNTKEYSINSLOT", "12182"]),
        3
    );
}

#[tokio::test]
async fn sentinels_tell_the_master_before_and_after_a_failover() {
    let mut master = Server::start(&[]);
    let replica = Server::start(&["--replicaof", "127.0.0.1", &master.port.to_string()]);
    let sentinel = Server::sentinel(master.port);
    eventually("the sentinel knows the replica", || {
        let replicas: Vec<redis::Value> = sentinel.command(&["SENTINEL", "REPLICAS", "main"]);
        !replicas.is_empty() && replica.says("master_link_status:up")
    });
    let url = format!(
        "redis+sentinel://127.0.0.1:{},127.0.0.1:{}/main",
        free_port(),
        sentinel.port
    );
    let store = RedisStore::new(&url).unwrap();
    conforms(&store).await;
    let Ok(Acquired::Granted { fence: before }) = acquire(&store, "k", "aa").await else {
        panic!("not granted");
    };
    master.kill();
    let deadline = tokio::time::Instant::now() + crate::server::DEADLINE;
    let after = loop {
        // Somebody new, as the lease may not have reached the replica.
        match acquire(&store, "other", "bb").await {
            Ok(Acquired::Granted { fence }) => break fence,
            Ok(held) => panic!("{held:?}"),
            Err(error) => assert!(tokio::time::Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(after > before);
    // One failover is enough: on a busy machine a second would lose what is written meanwhile.
    sentinel.command::<()>(&[
        "SENTINEL",
        "SET",
        "main",
        "down-after-milliseconds",
        "60000",
    ]);
    // The old master is back as a replica: the same store goes on with the new one.
    // The Sentinels would do that after ten seconds or so.
    master.restart();
    master.command::<()>(&["REPLICAOF", "127.0.0.1", &replica.port.to_string()]);
    conforms(&store).await;
    let nobody = format!("redis+sentinel://127.0.0.1:{}/nobody", sentinel.port);
    let error = acquire(&RedisStore::new(&nobody).unwrap(), "k", "aa").await;
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("no master of the name")
    );
}

/// The connection ends with its runtime, but which server was the master is still known to the store.
#[test]
fn a_master_that_stopped_is_not_asked_first_forever() {
    let mut master = Server::start(&[]);
    let replica = Server::start(&["--replicaof", "127.0.0.1", &master.port.to_string()]);
    let sentinel = Server::sentinel(master.port);
    eventually("the sentinel knows the replica", || {
        let replicas: Vec<redis::Value> = sentinel.command(&["SENTINEL", "REPLICAS", "main"]);
        !replicas.is_empty() && replica.says("master_link_status:up")
    });
    let url = format!("redis+sentinel://127.0.0.1:{}/main", sentinel.port);
    let store = RedisStore::new(&url).unwrap();
    let acquire_in_new_runtime = |key: &str| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(acquire(&store, key, "aa"))
    };
    acquire_in_new_runtime("k").unwrap();
    master.kill();
    eventually("the replica is the master", || {
        let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"];
        let (_, port): (String, u16) = sentinel.command(&words);
        port == replica.port && replica.says("role:master")
    });
    acquire_in_new_runtime("other").unwrap();
}

/// Three masters that share the slots.
struct Cluster {
    nodes: Vec<Server>,
}

impl Cluster {
    fn start() -> Self {
        let start =
            |_| Server::start(&["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"]);
        let nodes: Vec<_> = (0..3).map(start).collect();
        for (node, slots) in nodes.iter().zip([0..=5460, 5461..=10922, 10923..=16383]) {
            let slots: Vec<_> = slots.map(|slot: u16| slot.to_string()).collect();
            let mut words = vec!["CLUSTER", "ADDSLOTS"];
            words.extend(slots.iter().map(String::as_str));
            node.command::<()>(&words);
        }
        // Three that begin with the same epoch disagree for a while.
        for (epoch, node) in ["1", "2", "3"].iter().zip(&nodes) {
            node.command::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", epoch]);
        }
        for node in &nodes[1..] {
            nodes[0].command::<()>(&["CLUSTER", "MEET", "127.0.0.1", &node.port.to_string()]);
        }
        for node in &nodes {
            eventually("the cluster is complete", || {
                let info: String = node.command(&["CLUSTER", "INFO"]);
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
            });
        }
        Self { nodes }
    }

    fn url(&self) -> String {
        let hosts: Vec<_> = self
            .nodes
            .iter()
            .map(|node| format!("127.0.0.1:{}", node.port))
            .collect();
        format!("redis+cluster://{}", hosts.join(","))
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

fn certificate_of(authority: &CertifiedIssuer<'static, KeyPair>) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = parameters.signed_by(&key, authority).unwrap();
    (certificate.pem(), key.serialize_pem())
}
