// Shared by the formats that are a bare stream of event words (Rigaku, UFXC): pixel order and range.
#pragma once
#include <cstdint>

#include "xpcs/frame_reader.hpp"

namespace xpcs {

/// Row-major index of detector pixel number k (column-major: row = k mod height).
inline std::uint32_t row_major(std::uint32_t k, const ReaderOptions& options) noexcept {
  if (options.pixelOrder == PixelOrder::row_major) return k;
  return (k % options.height) * options.width + k / options.height;
}

constexpr std::size_t kBatchWords = std::size_t{1} << 18;

}  // namespace xpcs
