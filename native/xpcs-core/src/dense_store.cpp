#include "dense_store.hpp"

#include <algorithm>
#include <cstring>

// Not under ThreadSanitizer: the clones' resolvers would run before it is ready.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
#define XPCS_CLONES __attribute__((target_clones("arch=skylake-avx512", "avx2", "default")))
#else
#define XPCS_CLONES
#endif

namespace xpcs {
namespace {

/// Four frames in one word per pixel; returns the bits that any count has.
XPCS_CLONES std::uint32_t interleave(const std::uint16_t* a, const std::uint16_t* b, const std::uint16_t* c, const std::uint16_t* d, std::size_t n,
                                     std::uint32_t* out) {
  std::uint32_t any = 0;
  for (std::size_t i = 0; i < n; ++i) {
    any |= std::uint32_t{a[i]} | b[i] | c[i] | d[i];
    out[i] = std::uint32_t{a[i]} | std::uint32_t{b[i]} << 8 | std::uint32_t{c[i]} << 16 | std::uint32_t{d[i]} << 24;
  }
  return any;
}

/// Sums of each of the four bytes, and how many bytes are not 0. n below 2^24.
XPCS_CLONES void add_quad(const std::uint32_t* words, std::size_t n, std::uint32_t* sums, std::uint32_t* events) {
  std::uint32_t s0 = 0;
  std::uint32_t s1 = 0;
  std::uint32_t s2 = 0;
  std::uint32_t s3 = 0;
  std::uint32_t counted = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t word = words[i];
    s0 += word & 0xFF;
    s1 += word >> 8 & 0xFF;
    s2 += word >> 16 & 0xFF;
    s3 += word >> 24;
    // A byte of at most 127 carries into its own top bit exactly where it is not 0.
    const std::uint32_t bits = (word + 0x7F7F7F7F) & 0x80808080;
    counted += (bits >> 7 & 1) + (bits >> 15 & 1) + (bits >> 23 & 1) + (bits >> 31);
  }
  sums[0] += s0;
  sums[1] += s1;
  sums[2] += s2;
  sums[3] += s3;
  *events += counted;
}

/// Pixels that are looked at together for counts above 127.
constexpr std::size_t kStretch = 4096;

}  // namespace

DenseBatch::DenseBatch(std::uint32_t base, const Partition& partition) : base_(base), ranks_(static_cast<std::uint32_t>(partition.pixelOfRank.size())) {
  const std::size_t groups = (ranks_ + kGroupPixels - 1) / kGroupPixels;
  lines_ = std::make_unique_for_overwrite<std::uint32_t[]>(groups * kQuads * kGroupPixels);
  escapeStart_.assign(tile_count(ranks_) + 1, 0);
}

void DenseBatch::take(std::uint32_t quad, std::span<const std::uint16_t> rows, const Partition& partition, bool signedCounts,
                      std::vector<std::uint32_t>& scratch) {
  const std::size_t pixels = partition.pixels();
  const auto frames = static_cast<std::uint32_t>(rows.size() / pixels);
  Quad& out = quads_[quad];
  out = {};
  scratch.resize(pixels);
  std::array<std::uint16_t, kStretch> none{};
  for (std::size_t from = 0; from < pixels; from += kStretch) {
    const std::size_t n = std::min(kStretch, pixels - from);
    const auto row = [&](std::uint32_t f) { return f < frames ? rows.data() + f * pixels + from : none.data(); };
    if (interleave(row(0), row(1), row(2), row(3), n, scratch.data() + from) <= kLargest) continue;
    for (std::size_t i = 0; i < n; ++i) {
      std::uint32_t word = 0;
      const std::uint32_t rank = partition.rankOfPixel[from + i];
      for (std::uint32_t f = 0; f < frames; ++f) {
        const std::uint16_t count = row(f)[i];
        if (count <= kLargest) word |= std::uint32_t{count} << (8 * f);
        else if (rank != Partition::kMasked && (!signedCounts || count < 0x8000)) out.escapes.push_back({rank, base_ + quad * kQuadFrames + f, count});
      }
      scratch[from + i] = word;
    }
  }
  std::array<std::uint32_t, kStretch> words{};
  for (std::uint32_t first = 0; first < ranks_; first += kStretch) {
    const auto n = static_cast<std::uint32_t>(std::min<std::size_t>(kStretch, ranks_ - first));
    const std::uint32_t* pixelOfRank = partition.pixelOfRank.data() + first;
    for (std::uint32_t i = 0; i < n; ++i) words[i] = scratch[pixelOfRank[i]];
    std::fill(words.begin() + n, words.begin() + (n + kGroupPixels - 1) / kGroupPixels * kGroupPixels, 0U);
    for (std::uint32_t i = 0; i < n; i += kGroupPixels) std::memcpy(lines_.get() + line_of(first + i, quad), words.data() + i, kGroupPixels * sizeof(std::uint32_t));
    std::array<std::uint32_t, kQuadFrames> sums{};
    std::uint32_t events = 0;
    add_quad(words.data(), n, sums.data(), &events);
    for (std::uint32_t f = 0; f < kQuadFrames; ++f) out.sums[f] += sums[f];
    out.events += events;
  }
}

void DenseBatch::close() {
  events_ = 0;
  escapes_.clear();
  for (std::uint32_t quad = 0; quad < kQuads; ++quad) {
    const Quad& from = quads_[quad];
    events_ += from.events + from.escapes.size();
    for (std::uint32_t f = 0; f < kQuadFrames; ++f) frameSums_[quad * kQuadFrames + f] = static_cast<double>(from.sums[f]);
    for (const Escape& escape : from.escapes) frameSums_[escape.frame - base_] += static_cast<double>(escape.count);
    escapes_.insert(escapes_.end(), from.escapes.begin(), from.escapes.end());
  }
  std::sort(escapes_.begin(), escapes_.end(), [](const Escape& a, const Escape& b) {
    if (a.rank >> kTileBits != b.rank >> kTileBits) return a.rank < b.rank;
    return a.frame != b.frame ? a.frame < b.frame : a.rank < b.rank;
  });
  escapeStart_.assign(escapeStart_.size(), 0);
  for (const Escape& escape : escapes_) ++escapeStart_[(escape.rank >> kTileBits) + 1];
  for (std::size_t tile = 0; tile + 1 < escapeStart_.size(); ++tile) escapeStart_[tile + 1] += escapeStart_[tile];
}

}  // namespace xpcs
