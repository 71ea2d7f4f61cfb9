use phaul_core::executor::ports::*;
use phaul_transports::keys::Keys;
use phaul_transports::quic::*;
use phaul_core::plan::Compression;
#[tokio::test(flavor = "multi_thread")]
async fn throughput() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ka, kb) = (Keys::new(a.path()), Keys::new(b.path()));
    kb.trust("a", ka.init().unwrap()).unwrap();
    ka.trust("b", kb.init().unwrap()).unwrap();
    let l = QuicListener::bind("127.0.0.1:0".parse().unwrap(), kb, ListenerOptions::default()).unwrap();
    for c in [Compression::Off, Compression::Auto, Compression::Zstd] {
        let d = QuicDialer::new(l.address().to_string(), "b", ka.clone(), DialerOptions { compression: c, ..Default::default() });
        let t = std::time::Instant::now();
        let (o, th) = tokio::join!(d.dial(), l.accept());
        let (o, th) = (o.ok().unwrap(), th.unwrap());
        println!("dial {:?}", t.elapsed());
        let data: Vec<u8> = (0..1u32 << 20).map(|n| if n % 4096 < 1300 { (n.wrapping_mul(2654435761) >> 13) as u8 } else { (n / 4096) as u8 }).collect();
        let data = bytes::Bytes::from(data);
        let t = std::time::Instant::now();
        let n = 1024u64;
        let mut wire = 0;
        let send = async {
            for i in 0..n {
                wire += o.bulk.send(phaul_core::protocol::Chunk { run: "r".parse().unwrap(), attempt: 1, file: "x".into(), offset: i << 20, data: data.clone() }).await.unwrap();
            }
            o.bulk.flush().await.unwrap();
        };
        let recv = async { for _ in 0..n { th.bulk.receive().await.unwrap(); } };
        tokio::join!(send, recv);
        let s = t.elapsed().as_secs_f64();
        println!("{c:?}: {:.2} Gbit/s raw, wire {} MB, {s:.2}s", n as f64 * 8.388608e6 / s / 1e9, wire >> 20);
    }
}
