// The header of an IMM frame: 1024 bytes, little-endian (docs/formats.md).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "little_endian.hpp"

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

}  // namespace xpcs::imm
