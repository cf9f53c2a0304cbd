// The two LZ4-based chunk filters of detector files, decoding only: LZ4 (HDF5 filter 32004) and bitshuffle with or
// without LZ4 (32008). Layouts as documented by the filters' authors; the bit transposition is our own.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace xpcs::h5 {

/// Undoes the bit transposition of n elements (a multiple of 8) of `elementBytes` each. Bit k of byte b of element i is
/// bit i mod 8 of byte (8 b + k) n / 8 + i div 8 of the input. Sizes are the caller's to check.
void bit_unshuffle(const std::uint8_t* in, std::uint8_t* out, std::size_t n, std::size_t elementBytes) noexcept;
/// The same without vector instructions: for other processors and as the tests' reference.
void bit_unshuffle_plain(const std::uint8_t* in, std::uint8_t* out, std::size_t n, std::size_t elementBytes) noexcept;

/// Decodes one LZ4 block of exactly out.size() bytes. Null when it is good, otherwise what is wrong with it.
const char* lz4_block_decode(std::span<const std::uint8_t> in, std::span<std::uint8_t> out) noexcept;

/// Decodes an LZ4 chunk (8-byte big-endian size, 4-byte block size, blocks with a 4-byte size each) of exactly out.size()
/// bytes. Null when it is good, otherwise what is wrong with it.
const char* lz4_chunk_decode(std::span<const std::uint8_t> in, std::span<std::uint8_t> out) noexcept;

struct BitshuffleOptions {
  std::size_t elementBytes = 1;
  std::size_t blockElements = 0;  ///< only for uncompressed chunks; 0: the default, about 8 KiB
  bool lz4 = true;
};

/// Decodes a bitshuffle chunk of exactly out.size() bytes. `scratch` holds one block between calls.
/// Null when it is good, otherwise what is wrong with it.
const char* bitshuffle_chunk_decode(std::span<const std::uint8_t> in, std::span<std::uint8_t> out, const BitshuffleOptions& options,
                                    std::span<std::uint8_t> scratch) noexcept;

/// Bytes of scratch that any block of an `outBytes` chunk may need.
inline std::size_t bitshuffle_scratch_bytes(std::size_t outBytes) noexcept { return outBytes; }

}  // namespace xpcs::h5
