// The header of an IMM frame: 1024 bytes, little-endian (docs/formats.md).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "little_endian.hpp"
#include "xpcs/byte_source.hpp"

namespace xpcs::imm {

inline constexpr std::size_t kHeaderBytes = 1024;

struct Header {
  std::int32_t compression;
  std::int32_t rows;
  std::int32_t cols;
  double elapsedS;
  std::uint32_t dlen;
  std::int32_t corecotick;
};

inline Header parse_header(std::span<const std::byte> bytes) {
  return {load<std::int32_t>(bytes, 4), load<std::int32_t>(bytes, 108), load<std::int32_t>(bytes, 112),
          load<double>(bytes, 128),     load<std::uint32_t>(bytes, 152), load<std::int32_t>(bytes, 620)};
}

/// Of a header: space that was reserved ahead and is not written yet.
inline bool all_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

/// Bytes of the values that a header announces.
inline std::uint64_t values_bytes(const Header& header, bool sparse) { return std::uint64_t{header.dlen} * (sparse ? 6 : 2); }

/// Behind the last frame of a file that is complete: where zeros begin that have room for a header, as no frame has a header of zeros only; else its
/// size. A sparse frame before them whose last count is zero was not written to its end. What else is wrong is for the reader to say.
/// @throws corrupt_data no frame is written to its end
std::uint64_t end_of_frames(const ByteSource& source, std::uint64_t pixels, bool sparse);

}  // namespace xpcs::imm
