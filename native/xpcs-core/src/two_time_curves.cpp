#include "two_time_curves.hpp"

#include <algorithm>

#include "threads.hpp"

namespace xpcs::twotime {

constexpr std::uint64_t kSegments = 5;

Curves::Curves(std::uint64_t frames, std::size_t bins, std::uint32_t window)
    : frames_(frames), bins_(bins), window_(window), partials_(frames / window > 0 ? frames / window - 1 : 0), segment_(frames / kSegments),
      full_(bins * frames, 0.0), partial_(bins * partials_ * window, 0.0), segments_(bins * kSegments * segment_, 0.0) {}

void Curves::add(const C2Band& band, unsigned threads) {
  constexpr std::uint64_t kLags = 2048;
  parallel_for((frames_ + kLags - 1) / kLags, threads, [&](std::size_t part, unsigned) { add_lags(band, part * kLags, std::min(frames_, (part + 1) * kLags)); });
}

/// One thread adds one range of lags, rows in order: the sums do not depend on the threads.
void Curves::add_lags(const C2Band& band, std::uint64_t from, std::uint64_t to) {
  double* full = full_.data() + band.bin * frames_;
  for (std::uint64_t r = 0; r < band.rows; ++r) {
    const std::uint64_t t = band.firstRow + r;
    const float* diagonal = band.values.data() + r * frames_ + t;  // lag 0 of this row
    const std::uint64_t lags = std::min(to, frames_ - t);
    for (std::uint64_t k = from; k < lags; ++k) full[k] += diagonal[k];
    const std::uint64_t j = t / window_;
    if (j < partials_) {
      double* partial = partial_.data() + (band.bin * partials_ + j) * window_;
      for (std::uint64_t k = from; k < std::min(lags, window_); ++k) partial[k] += diagonal[k];
    }
    const std::uint64_t s = segment_ > 0 ? t / segment_ : kSegments;
    if (s >= kSegments) continue;
    double* segment = segments_.data() + (band.bin * kSegments + s) * segment_;
    for (std::uint64_t k = from; k < std::min(lags, (s + 1) * segment_ - t); ++k) segment[k] += diagonal[k];
  }
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
