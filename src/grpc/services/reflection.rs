//! `grpc.reflection`, in both versions: what there is to call.

use tonic_reflection::server::Builder;

/// Reflection of `descriptors`. Each version adds itself.
pub(crate) fn of(descriptors: impl Iterator<Item = &'static [u8]>) -> Builder<'static> {
    // So that clients without these files can read the details of an error.
    let details = tonic_types::pb::FILE_DESCRIPTOR_SET;
    let builder = Builder::configure().register_encoded_file_descriptor_set(details);
    descriptors.fold(builder, Builder::register_encoded_file_descriptor_set)
}
