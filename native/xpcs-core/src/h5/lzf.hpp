// The LZF filter of h5py (registered number 32000), decoding only.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace xpcs::h5 {

/// Decodes an LZF block. Returns the number of bytes written, 0 when the block is damaged or does not fit.
std::size_t lzf_decode(std::span<const std::uint8_t> in, std::span<std::uint8_t> out) noexcept;

/// Tells HDF5 about the filter. Idempotent.
void register_lzf();

}  // namespace xpcs::h5
