//! Room `io`: records of rollouts in an object store, replaced by condition: whoever comes second is told.

use super::BucketStore;
use super::objects::Written;
use crate::Result;
use crate::fleet::record::RolloutId;
use crate::fleet::records::{DIR, Records, Revision, Saved, Stored};
use crate::io::rollouts::ids;
use crate::limits::MAX_ROLLOUT_LEN;

fn path(id: &RolloutId) -> String {
    format!("{DIR}/{id}")
}

impl Records for BucketStore {
    fn load(&self, id: &RolloutId) -> Result<Option<Stored>> {
        let found = self.objects.read(&path(id), MAX_ROLLOUT_LEN)?;
        Ok(found.map(|found| Stored {
            bytes: found.bytes,
            revision: Revision(found.etag.unwrap_or_default()),
        }))
    }

    fn save(&self, id: &RolloutId, bytes: &[u8], before: Option<&Revision>) -> Result<Saved> {
        let path = path(id);
        let written = match before {
            None => self.objects.create(&path, bytes)? == Written::Done,
            Some(before) => {
                let etag = Some(before.0.clone()).filter(|tag| !tag.is_empty());
                self.objects.swap(&path, bytes, etag)?
            }
        };
        if !written {
            return Ok(Saved::Differs);
        }
        // What was written is read again: its tag is what the next write is conditional on.
        let found = self.objects.read(&path, MAX_ROLLOUT_LEN)?;
        Ok(match found {
            Some(found) if found.bytes == bytes => {
                Saved::Done(Revision(found.etag.unwrap_or_default()))
            }
            _ => Saved::Differs,
        })
    }

    fn list(&self) -> Result<Vec<RolloutId>> {
        let names = self.objects.list(DIR)?;
        Ok(ids(names.iter().map(String::as_str)))
    }

    fn location(&self) -> String {
        format!("{}/{DIR}", self.objects.location())
    }
}
