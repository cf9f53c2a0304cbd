#include "two_time_curves.hpp"

#include <algorithm>

namespace xpcs::twotime {

constexpr std::uint64_t kSegments = 5;

Curves::Curves(std::uint64_t frames, std::size_t bins, std::uint32_t window)
    : frames_(frames), bins_(bins), window_(window), partials_(frames / window > 0 ? frames / window - 1 : 0), segment_(frames / kSegments),
      full_(bins * frames, 0.0), partial_(bins * partials_ * window, 0.0), segments_(bins * kSegments * segment_, 0.0) {}

namespace {

/// Adds the n values of row r that begin with column t + k to sums[0 .. n).
void add_values(const C2Band& band, std::uint64_t r, std::uint64_t k, std::uint64_t n, double* sums) {
  std::uint64_t column = band.firstRow + r + k;
  while (n > 0) {
    const std::uint64_t together = std::min(n, band.chunk - (column - band.firstRow) % band.chunk);
    const float* values = band.at(r, column);
    for (std::uint64_t i = 0; i < together; ++i) sums[i] += values[i];
    sums += together;
    column += together;
    n -= together;
  }
}

}  // namespace

/// One thread adds one range of lags, rows in order: the sums do not depend on the threads.
void Curves::add(const C2Band& band, std::size_t part) {
  for (std::uint64_t r = 0; r < band.rows; ++r) add_row(band, r, part * kLags, std::min(frames_, (part + 1) * kLags));
}

void Curves::add_row(const C2Band& band, std::uint64_t r, std::uint64_t from, std::uint64_t to) {
  const std::uint64_t t = band.firstRow + r;
  const std::uint64_t lags = std::min(to, frames_ - t);
  if (from >= lags) return;
  add_values(band, r, from, lags - from, full_.data() + band.bin * frames_ + from);
  const std::uint64_t j = t / window_;
  const std::uint64_t ofWindow = std::min(lags, window_);
  if (j < partials_ && from < ofWindow) add_values(band, r, from, ofWindow - from, partial_.data() + (band.bin * partials_ + j) * window_ + from);
  const std::uint64_t s = segment_ > 0 ? t / segment_ : kSegments;
  if (s >= kSegments) return;
  const std::uint64_t ofSegment = std::min(lags, (s + 1) * segment_ - t);
  if (from < ofSegment) add_values(band, r, from, ofSegment - from, segments_.data() + (band.bin * kSegments + s) * segment_ + from);
}

void Curves::finish(TwoTimeResult& out) {
  out.partials = partials_;
  out.g2full.resize(frames_ * bins_);
  out.g2partials.resize(window_ * partials_ * bins_);
  out.g2segments.resize(segment_ * kSegments * bins_);
  for (std::uint64_t b = 0; b < bins_; ++b) {
    for (std::uint64_t k = 0; k < frames_; ++k) out.g2full[k * bins_ + b] = full_[b * frames_ + k] / static_cast<double>(frames_ - k);
    for (std::uint64_t j = 0; j < partials_; ++j) {
      for (std::uint64_t k = 0; k < window_; ++k) out.g2partials[(k * partials_ + j) * bins_ + b] = partial_[(b * partials_ + j) * window_ + k] / static_cast<double>(window_);
    }
    for (std::uint64_t s = 0; s < kSegments; ++s) {
      for (std::uint64_t k = 0; k < segment_; ++k) {
        out.g2segments[(k * kSegments + s) * bins_ + b] = segments_[(b * kSegments + s) * segment_ + k] / static_cast<double>(segment_ - k);
      }
    }
  }
}

}  // namespace xpcs::twotime
