#include "dense_store.hpp"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace xpcs {
namespace {

/// Ranks that are transposed together, where their pixels are neighbours.
constexpr std::uint32_t kRun = 16;

#if defined(__SSE2__)
/// 16 x 16 bytes: rows become columns.
void transpose16(__m128i (&m)[16]) {
  for (int round = 0; round < 4; ++round) {
    __m128i t[16];
    for (int i = 0; i < 8; ++i) {
      t[2 * i] = _mm_unpacklo_epi8(m[i], m[i + 8]);
      t[2 * i + 1] = _mm_unpackhi_epi8(m[i], m[i + 8]);
    }
    for (int i = 0; i < 16; ++i) m[i] = t[i];
  }
}

/// Lines of 16 neighbouring pixels from 64 rows of counts. False, and nothing done, where a count exceeds 127.
bool transpose_run(const std::uint16_t* first, std::size_t stride, std::uint8_t* lines) {
  __m128i any = _mm_setzero_si128();
  for (std::uint32_t f = 0; f < DenseBatch::kFrames; ++f) {
    const auto* row = reinterpret_cast<const __m128i*>(first + f * stride);
    any = _mm_or_si128(any, _mm_or_si128(_mm_loadu_si128(row), _mm_loadu_si128(row + 1)));
  }
  const __m128i above = _mm_andnot_si128(_mm_set1_epi16(DenseBatch::kLargest), any);
  if (_mm_movemask_epi8(_mm_cmpeq_epi16(above, _mm_setzero_si128())) != 0xFFFF) return false;
  for (std::uint32_t block = 0; block < DenseBatch::kFrames; block += 16) {
    __m128i m[16];
    for (std::uint32_t f = 0; f < 16; ++f) {
      const auto* row = reinterpret_cast<const __m128i*>(first + (block + f) * stride);
      m[f] = _mm_packus_epi16(_mm_loadu_si128(row), _mm_loadu_si128(row + 1));
    }
    transpose16(m);
    for (std::uint32_t p = 0; p < 16; ++p) _mm_storeu_si128(reinterpret_cast<__m128i*>(lines + p * DenseBatch::kFrames + block), m[p]);
  }
  return true;
}
#else
bool transpose_run(const std::uint16_t*, std::size_t, std::uint8_t*) { return false; }
#endif

}  // namespace

DenseBatch::DenseBatch(std::uint32_t base, std::span<const std::uint16_t> rows, std::uint32_t frames, const Partition& partition, bool signedCounts)
    : base_(base) {
  const auto ranks = static_cast<std::uint32_t>(partition.pixelOfRank.size());
  const std::size_t pixels = partition.pixels();
  const std::size_t tiles = (ranks + kTilePixels - 1) / kTilePixels;
  lines_.assign(std::size_t{ranks} * kFrames, 0);
  escapeStart_.assign(tiles + 1, 0);
  std::array<std::uint64_t, kFrames> sums{};
  for (std::uint32_t rank = 0; rank < ranks;) {
    const std::uint32_t pixel = partition.pixelOfRank[rank];
    const bool run = frames == kFrames && rank + kRun <= ranks && partition.pixelOfRank[rank + kRun - 1] == pixel + kRun - 1 &&
                     transpose_run(rows.data() + pixel, pixels, lines_.data() + std::size_t{rank} * kFrames);
    const std::uint32_t n = run ? kRun : 1;
    if (!run) take_pixel(rank, pixel, rows, pixels, frames, signedCounts);
    std::array<std::uint16_t, kFrames> few{};
    std::array<std::uint8_t, kFrames> counted{};
    for (std::uint32_t i = 0; i < n; ++i) {
      const std::uint8_t* at = line(rank + i);
      for (std::uint32_t f = 0; f < kFrames; ++f) few[f] = static_cast<std::uint16_t>(few[f] + at[f]);
      for (std::uint32_t f = 0; f < kFrames; ++f) counted[f] = static_cast<std::uint8_t>(counted[f] + (at[f] != 0 ? 1 : 0));
    }
    for (const std::uint8_t number : counted) events_ += number;
    for (std::uint32_t f = 0; f < kFrames; ++f) sums[f] += few[f];
    rank += n;
  }
  events_ += escapes_.size();
  for (std::uint32_t f = 0; f < kFrames; ++f) frameSums_[f] = static_cast<double>(sums[f]);
  for (const Escape& escape : escapes_) {
    ++escapeStart_[(escape.rank >> kTileBits) + 1];
    frameSums_[escape.frame - base_] += static_cast<double>(escape.count);
  }
  for (std::size_t tile = 0; tile < tiles; ++tile) escapeStart_[tile + 1] += escapeStart_[tile];
}

void DenseBatch::take_pixel(std::uint32_t rank, std::uint32_t pixel, std::span<const std::uint16_t> rows, std::size_t pixels, std::uint32_t frames,
                            bool signedCounts) {
  std::uint8_t* at = lines_.data() + std::size_t{rank} * kFrames;
  for (std::uint32_t f = 0; f < frames; ++f) {
    const std::uint16_t count = rows[f * pixels + pixel];
    if (count <= kLargest) {
      at[f] = static_cast<std::uint8_t>(count);
    } else if (!signedCounts || count < 0x8000) {
      escapes_.push_back({rank, base_ + f, count});
    }
  }
}

}  // namespace xpcs
