//! An object store in memory whose calls are counted, and can be killed, lost, held or delayed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, LazyLock, Mutex};

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result,
};
use tokio::runtime::Runtime;

/// What goes wrong with the calls of one publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// From this call on nothing arrives any more.
    DiesBefore(usize),
    /// This call arrives; its answer and all that follows do not.
    DiesAfter(usize),
    /// This call, if it writes, is carried out, and its answer gets lost.
    LosesAnswer(usize),
    /// This call waits until the test lets it go.
    Waits(usize),
    /// This call, if it puts an object, is answered by an error and arrives when the test says so.
    ArrivesLate(usize),
    /// Every condition is ignored.
    IgnoresConditions,
}

/// The test's end of [`Fault::Waits`].
pub struct Gate {
    /// Gives a message when the call is there.
    pub arrived: Receiver<()>,
    /// Lets it go.
    pub go: Sender<()>,
}

type Late = (Path, PutPayload, PutOptions);

/// One publisher's connection to a store that others use too.
pub struct Connection {
    store: Arc<dyn ObjectStore>,
    fault: Fault,
    calls: Mutex<usize>,
    gate: Mutex<Option<(Sender<()>, Receiver<()>)>>,
    late: Mutex<Option<Late>>,
}

impl Connection {
    /// A connection to `store` with a fault.
    pub fn new(store: &Arc<dyn ObjectStore>, fault: Fault) -> Arc<Self> {
        Arc::new(Connection {
            store: Arc::clone(store),
            fault,
            calls: Mutex::new(0),
            gate: Mutex::new(None),
            late: Mutex::new(None),
        })
    }

    /// The gate of a connection with [`Fault::Waits`].
    pub fn gate(&self) -> Gate {
        let (here, arrived) = channel();
        let (go, gone) = channel();
        *self.gate.lock().unwrap() = Some((here, gone));
        Gate { arrived, go }
    }

    /// No call will come to the gate any more.
    pub fn close_gate(&self) {
        self.gate.lock().unwrap().take();
    }

    /// Calls so far.
    pub fn calls(&self) -> usize {
        *self.calls.lock().unwrap()
    }

    /// Begins to count again.
    pub fn recount(&self) {
        *self.calls.lock().unwrap() = 0;
    }

    /// The put that has not arrived yet arrives; whether there was one.
    pub fn deliver(&self) -> bool {
        let Some((path, payload, options)) = self.late.lock().unwrap().take() else {
            return false;
        };
        // It succeeds or fails, and nobody is there to hear of it.
        let _ = block_on(self.store.put_opts(&path, payload, options));
        true
    }

    /// Counts a call; an error where it does not arrive.
    fn begin(&self) -> Result<usize> {
        let number = {
            let mut calls = self.calls.lock().unwrap();
            *calls += 1;
            *calls
        };
        match self.fault {
            Fault::DiesBefore(at) if number >= at => Err(lost()),
            Fault::DiesAfter(at) if number > at => Err(lost()),
            Fault::ArrivesLate(at) if number > at => Err(lost()),
            Fault::Waits(at) if number == at => {
                if let Some((here, gone)) = self.gate.lock().unwrap().take() {
                    here.send(()).unwrap();
                    gone.recv().unwrap();
                }
                Ok(number)
            }
            _ => Ok(number),
        }
    }

    fn end<T>(&self, number: usize, writes: bool, answer: Result<T>) -> Result<T> {
        match self.fault {
            Fault::DiesAfter(at) if number == at => Err(lost()),
            Fault::LosesAnswer(at) if writes && number == at => Err(lost()),
            _ => answer,
        }
    }
}

fn lost() -> Error {
    Error::Generic {
        store: "test",
        source: "the connection is gone".into(),
    }
}

/// Waits for what is not under test.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    });
    RUNTIME.block_on(future)
}

/// Every object of a store.
pub fn objects(store: &dyn ObjectStore) -> BTreeMap<String, Vec<u8>> {
    let all: Vec<Result<ObjectMeta>> = block_on(store.list(None).collect());
    all.into_iter()
        .map(|meta| {
            let path = meta.unwrap().location;
            let bytes = block_on(async { store.get(&path).await.unwrap().bytes().await.unwrap() });
            (path.to_string(), bytes.to_vec())
        })
        .collect()
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a connection with {:?}", self.fault)
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

#[async_trait]
impl ObjectStore for Connection {
    async fn put_opts(
        &self,
        path: &Path,
        payload: PutPayload,
        mut options: PutOptions,
    ) -> Result<PutResult> {
        let number = self.begin()?;
        if self.fault == Fault::ArrivesLate(number) {
            *self.late.lock().unwrap() = Some((path.clone(), payload, options));
            return Err(lost());
        }
        if self.fault == Fault::IgnoresConditions {
            options.mode = PutMode::Overwrite;
        }
        let answer = self.store.put_opts(path, payload, options).await;
        self.end(number, true, answer)
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let number = self.begin()?;
        let answer = self.store.put_multipart_opts(path, options).await;
        self.end(number, true, answer)
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let number = self.begin()?;
        let answer = self.store.get_opts(path, options).await;
        self.end(number, false, answer)
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        match self.begin() {
            Ok(_) => self.store.delete_stream(paths),
            Err(_) => paths.map(|_| Err(lost())).boxed(),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let number = self.begin()?;
        let answer = self.store.list_with_delimiter(prefix).await;
        self.end(number, false, answer)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let number = self.begin()?;
        let answer = self.store.copy_opts(from, to, options).await;
        self.end(number, true, answer)
    }
}
