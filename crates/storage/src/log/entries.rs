//! The payload of an entries record: frames of `length u32, checksum u32, body`, one an entry, so that one entry can be
//! read and checked without the others.

use bytes::Bytes;

use super::{Entry, frozen};

/// Bytes of a frame before the entry's body.
pub(crate) const FRAME_BYTES: usize = 8;

/// Appends an entry's frame to a payload.
pub(crate) fn push(payload: &mut Vec<u8>, entry: &Entry) {
    let start = payload.len();
    payload.extend_from_slice(&[0; FRAME_BYTES]);
    frozen::encode_entry(payload, entry);
    let body = &payload[start + FRAME_BYTES..];
    let len = u32::try_from(body.len()).expect("entries are far below 4 GiB");
    let crc = crc32c::crc32c(body);
    payload[start..start + 4].copy_from_slice(&len.to_le_bytes());
    payload[start + 4..start + FRAME_BYTES].copy_from_slice(&crc.to_le_bytes());
}

/// The body in the frame that begins at `at`, and where the next one begins.
pub(crate) fn body_at(payload: &Bytes, at: usize) -> Result<(Bytes, usize), String> {
    let head = payload.get(at..).and_then(<[u8]>::first_chunk::<FRAME_BYTES>).ok_or("a frame is cut off")?;
    let number = |from: usize| u32::from_le_bytes(*head[from..].first_chunk().expect("within the head"));
    let body_start = at + FRAME_BYTES;
    let body_end = usize::try_from(number(0)).ok().and_then(|len| body_start.checked_add(len));
    let body_end = body_end.filter(|end| *end <= payload.len()).ok_or("an entry is cut off")?;
    let body = payload.slice(body_start..body_end);
    if crc32c::crc32c(&body) != number(4) {
        return Err("an entry doesn't match its checksum".to_owned());
    }
    Ok((body, body_end))
}

/// The entry whose frame begins at `at`, and where the next one begins.
pub(crate) fn entry_at(payload: &Bytes, at: usize) -> Result<(Entry, usize), String> {
    let (body, end) = body_at(payload, at)?;
    Ok((frozen::decode_entry(&body)?, end))
}

#[cfg(test)]
mod tests {
    use openraft::EntryPayload;

    use super::*;
    use crate::Proposal;
    use crate::log::LogId;

    #[test]
    fn the_bytes_of_a_frame_stay_as_released() {
        let leader = openraft::impls::leader_id_adv::LeaderId { term: 1, node_id: 2 };
        let payload = EntryPayload::Normal(Proposal(Bytes::from_static(b"hi")));
        let entry = Entry { log_id: LogId::new(leader, 3), payload };
        let mut bytes = Vec::new();
        push(&mut bytes, &entry);
        let body =
            [&[1][..], &1_u64.to_le_bytes(), &2_u64.to_le_bytes(), &3_u64.to_le_bytes(), b"hi"].concat();
        let crc = crc32c::crc32c(&body);
        assert_eq!(bytes, [&27_u32.to_le_bytes()[..], &crc.to_le_bytes(), &body].concat());
        assert_eq!(entry_at(&Bytes::from(bytes.clone()), 0).unwrap(), (entry, bytes.len()));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(entry_at(&Bytes::from(damaged), 0).is_err(), "byte {at}");
        }
    }
}
