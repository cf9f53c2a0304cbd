// Sums of products of sixteen pixels side by side, each with its own past: the pixels are the lanes of a vector, so nothing is
// added across lanes. A row holds a few consecutive blocks of the sixteen pixels, 32 bits each: four blocks as bytes or two as
// words. One definition, several instruction sets: the CPU decides at run time, the integers are the same.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace xpcs {

constexpr std::uint32_t kLanes = 16;
constexpr std::size_t kRowBytes = 64;
constexpr std::uint32_t kBytesPerRow = 4;  ///< blocks of one pixel in a row of bytes
constexpr std::uint32_t kWordsPerRow = 2;  ///< and in one of words
constexpr std::uint8_t kLaneByteMax = 127;
/// Rows of one call: with elements of kLaneWordMax no 32-bit sum overflows.
constexpr std::size_t kLaneRowsMax = 256;
constexpr std::int32_t kLaneWordMax = 2047;

/// Where the sums of consecutive lags go, int64 [16] each.
using LaneOut = std::array<std::int64_t*, 4>;

struct LaneSums {
  const char* name;
  /// out[i][pixel] += sum over the blocks j of the rows of a[j] a[j - lag], lag = 4 quad + 1 + i, i < 4. Elements 0..127; the rows before the
  /// first hold the earlier blocks.
  void (*bytes)(const std::uint8_t* rows, std::size_t n, std::size_t quad, const LaneOut& out);
  /// The same for lags 2 pair + 1 + i, i < 2. Elements 0..2047.
  void (*words)(const std::uint16_t* rows, std::size_t n, std::size_t pair, const LaneOut& out);
  /// Adds neighbouring blocks: an even number of rows into half as many; returns the largest sum. A sum above 255 is cut.
  std::uint32_t (*halve_bytes)(const std::uint8_t* rows, std::size_t n, std::uint8_t* out);
  /// The same into as many rows of words.
  std::uint32_t (*halve_to_words)(const std::uint8_t* rows, std::size_t n, std::uint16_t* out);
  /// Words into half as many rows; elements 0..2047.
  std::uint32_t (*halve_words)(const std::uint16_t* rows, std::size_t n, std::uint16_t* out);
  /// total[pixel] += the blocks of the rows of bytes, those under the mask (0xFF for each block that counts).
  void (*totals)(const std::uint8_t* rows, std::size_t n, std::uint32_t mask, std::uint32_t* total);
};

/// The fastest set for this CPU.
const LaneSums& lane_sums();
/// A set by name (portable, avx2, avx512, neon, neon-dotprod), for tests; null when this CPU or build does not have it.
const LaneSums* lane_sums_named(const char* name);

}  // namespace xpcs
