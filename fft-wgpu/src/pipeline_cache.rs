//! Compiled kernels in a file, from one run to the next.

use std::path::{Path, PathBuf};

use fft_core::{Error, Result};
use wgpu::{AdapterInfo, Device, PipelineCache, PipelineCacheDescriptor};

/// A driver's compiled kernels, and the file they are kept in.
#[derive(Debug)]
pub(crate) struct CacheFile {
    cache: PipelineCache,
    path: PathBuf,
}

impl CacheFile {
    /// The file of this adapter in `folder`, which is made where it is missing. A file that is not whole counts as none. Nothing where the
    /// driver cannot hand out what it compiled; the device has the feature for it.
    pub(crate) fn open(device: &Device, adapter: &AdapterInfo, folder: &Path) -> Result<Option<Self>> {
        let Some(key) = wgpu::util::pipeline_cache_key(adapter) else { return Ok(None) };
        std::fs::create_dir_all(folder).map_err(|e| Error::DeviceUnavailable {
            device: adapter.name.clone(),
            reason: format!("the pipeline cache {}: {e}", folder.display()),
        })?;
        let path = folder.join(key);
        let kept = std::fs::read(&path).ok();
        let data = kept.as_deref().and_then(whole);
        let descriptor = PipelineCacheDescriptor { label: None, data, fallback: true };
        // SAFETY: the bytes are what `get_data` gave for an adapter of this key, by their checksum; wgpu and the driver check versions in their
        // headers and begin anew where they differ.
        let cache = unsafe { device.create_pipeline_cache(&descriptor) };
        Ok(Some(Self { cache, path }))
    }

    pub(crate) fn cache(&self) -> &PipelineCache {
        &self.cache
    }

    /// Writes the file, by renaming. Where that fails, the next run compiles again.
    pub(crate) fn save(&self) {
        let Some(mut data) = self.cache.get_data() else { return };
        data.extend(checksum(&data).to_le_bytes());
        let part = self.path.with_extension(format!("{}.tmp", std::process::id()));
        if std::fs::write(&part, data).and_then(|()| std::fs::rename(&part, &self.path)).is_err() {
            let _ = std::fs::remove_file(&part);
        }
    }
}

/// The content of a file, when it is all there.
fn whole(file: &[u8]) -> Option<&[u8]> {
    let (data, sum) = file.split_last_chunk::<8>()?;
    (checksum(data) == u64::from_le_bytes(*sum)).then_some(data)
}

/// FNV-1a of 64 bits (Fowler, Noll and Vo 1991).
fn checksum(data: &[u8]) -> u64 {
    data.iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_whole_counts_as_none() {
        let mut file = b"kernels".to_vec();
        file.extend(checksum(b"kernels").to_le_bytes());
        assert_eq!(whole(&file), Some(&b"kernels"[..]));
        assert_eq!(whole(&file[..file.len() - 1]), None);
        file[2] ^= 1;
        assert_eq!(whole(&file), None);
        assert_eq!(whole(b""), None);
        // A value known from the function's description.
        assert_eq!(checksum(b"a"), 0xaf63_dc4c_8601_ec8c);
    }
}
