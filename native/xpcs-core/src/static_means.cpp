#include "static_means.hpp"

#include <algorithm>

namespace xpcs {

StaticMeans::StaticMeans(const Partition& partition, CorrelatorOptions options, bool lastMayBeCut)
    : partition_(partition), options_(std::move(options)), staticOfPixel_(partition.pixels(), Partition::kMasked), lastMayBeCut_(lastMayBeCut) {
  for (std::size_t rank = 0; rank < partition.pixelOfRank.size(); ++rank) staticOfPixel_[partition.pixelOfRank[rank]] = partition.staticOfRank[rank];
}

void StaticMeans::check_pixels(std::span<const std::uint32_t> pixel) const {
  std::uint32_t largest = 0;
  for (const std::uint32_t p : pixel) largest = std::max(largest, p);
  if (largest < staticOfPixel_.size()) return;
  throw Error(Code::invalid_argument, "pixel " + std::to_string(largest) + " is outside the detector of " + std::to_string(staticOfPixel_.size()) + " pixels");
}

/// One frame's photons. Sums of counts run in integers over the frame: exact in double up to 2^53.
template <class Value>
void StaticMeans::add_frame(std::uint32_t frame, std::span<const std::uint32_t> pixel, std::span<const Value> value, std::vector<Value>& byPixel) {
  const std::uint32_t S = partition_.staticBins;
  const std::size_t row = frame / (options_.staticWindow > 0 ? options_.staticWindow : 1);
  if (frame >= frameSum_.size()) frameSum_.resize(std::size_t{frame} + 1, 0.0);
  if ((row + 1) * S > partial_.size()) partial_.resize((row + 1) * S, 0.0);
  double* partial = partial_.data() + row * S;
  const std::uint32_t* staticOf = staticOfPixel_.data();
  const double* factor = options_.pixelFactor.empty() ? nullptr : options_.pixelFactor.data();
  Value total{0};
  double scaledTotal = 0;
  std::uint64_t events = 0;
  for (std::size_t i = 0; i < pixel.size(); ++i) {
    const std::uint32_t p = pixel[i];
    const std::uint32_t s = staticOf[p];
    if (s == Partition::kMasked) continue;
    byPixel[p] += value[i];
    ++events;
    if (factor != nullptr) {
      partial[s] += static_cast<double>(value[i]) * factor[p];
      scaledTotal += static_cast<double>(value[i]) * factor[p];
    } else {
      partial[s] += static_cast<double>(value[i]);
      total += value[i];
    }
  }
  frameSum_[frame] += factor != nullptr ? scaledTotal : static_cast<double>(total);
  events_ += events;
}

template <class Value>
void StaticMeans::keep_back(std::uint32_t frame, std::span<const std::uint32_t> pixel, std::span<const Value> value, std::vector<Value>& byPixel, std::vector<Value>& back) {
  if (frame < newest_) {
    add_frame<Value>(frame, pixel, value, byPixel);
    return;
  }
  if (frame > newest_) {
    if (!backPixel_.empty()) add_frame<Value>(newest_, backPixel_, back, byPixel);
    backPixel_.clear();
    back.clear();
    newest_ = frame;
  }
  backPixel_.insert(backPixel_.end(), pixel.begin(), pixel.end());
  back.insert(back.end(), value.begin(), value.end());
}

void StaticMeans::push_dense(std::uint32_t first, std::span<const std::uint16_t> rows, std::size_t pixels, bool signedCounts) {
  if (pixels != staticOfPixel_.size()) throw Error(Code::invalid_argument, "dense frames must have " + std::to_string(staticOfPixel_.size()) + " counts each");
  if (lastMayBeCut_ || !options_.pixelFactor.empty()) {
    FrameSink::push_dense(first, rows, pixels, signedCounts);
    return;
  }
  if (valid_.empty()) {
    for (const std::uint32_t s : staticOfPixel_) valid_.push_back(s == Partition::kMasked ? 0 : 0xFFFF);
    denseSum_.assign(pixels, 0);
  }
  for (std::size_t at = 0; at < rows.size(); at += pixels) {
    const std::uint32_t frame = first + static_cast<std::uint32_t>(at / pixels);
    const std::size_t row = frame / (options_.staticWindow > 0 ? options_.staticWindow : 1);
    if (row != denseRow_ || denseFrames_ == 65536) fold_dense();
    denseRow_ = row;
    ++denseFrames_;
    std::uint64_t total = 0;
    std::uint32_t lit = 0;
    for (std::size_t p = 0; p < pixels; ++p) {
      const std::uint16_t raw = rows[at + p] & valid_[p];
      const std::uint32_t value = signedCounts && raw >= 0x8000 ? 0 : raw;
      denseSum_[p] += value;
      total += value;
      lit += value != 0 ? 1 : 0;
    }
    if (frame >= frameSum_.size()) frameSum_.resize(std::size_t{frame} + 1, 0.0);
    frameSum_[frame] += static_cast<double>(total);
    events_ += lit;
  }
}

void StaticMeans::fold_dense() {
  if (denseFrames_ == 0) return;
  const std::uint32_t S = partition_.staticBins;
  if (counts_.empty()) counts_.assign(denseSum_.size(), 0);
  if ((denseRow_ + 1) * S > partial_.size()) partial_.resize((denseRow_ + 1) * S, 0.0);
  for (std::size_t p = 0; p < denseSum_.size(); ++p) {
    if (valid_[p] == 0) continue;
    counts_[p] += denseSum_[p];
    partial_[denseRow_ * S + staticOfPixel_[p]] += denseSum_[p];
    denseSum_[p] = 0;
  }
  denseFrames_ = 0;
}

void StaticMeans::set_frames(std::uint64_t frames) {
  frames_ = frames;
  fold_dense();
  if (newest_ >= frames || backPixel_.empty()) return;
  if (backReal_.empty()) {
    add_frame<std::int64_t>(newest_, backPixel_, backCount_, counts_);
  } else {
    add_frame<double>(newest_, backPixel_, backReal_, reals_);
  }
  backPixel_.clear();
}

template <class Value>
void StaticMeans::add(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const Value> value, std::vector<Value>& byPixel,
                      std::vector<Value>& back) {
  check_pixels(pixel);
  if (byPixel.empty()) byPixel.assign(partition_.pixels(), Value{0});
  for (std::size_t i = 0; i < frame.size();) {
    std::size_t end = i + 1;
    while (end < frame.size() && frame[end] == frame[i]) ++end;
    if (lastMayBeCut_) {
      keep_back<Value>(frame[i], pixel.subspan(i, end - i), value.subspan(i, end - i), byPixel, back);
    } else {
      add_frame<Value>(frame[i], pixel.subspan(i, end - i), value.subspan(i, end - i), byPixel);
    }
    i = end;
  }
}

void StaticMeans::push(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const std::int64_t> count) {
  add(frame, pixel, count, counts_, backCount_);
}
void StaticMeans::push_real(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const double> value) {
  add(frame, pixel, value, reals_, backReal_);
}

CorrelationResult StaticMeans::result(std::uint32_t window) const {
  CorrelationResult out;
  const std::size_t S = partition_.staticBins;
  const double frames = static_cast<double>(frames_) * options_.average;
  out.frames = frames_;
  out.events = events_;
  out.pixelMean.resize(partition_.pixels());
  for (std::size_t p = 0; p < out.pixelMean.size(); ++p) {
    const double sum = reals_.empty() ? (counts_.empty() ? 0.0 : static_cast<double>(counts_[p])) : reals_[p];
    out.pixelMean[p] = sum * (options_.pixelFactor.empty() ? 1.0 : options_.pixelFactor[p]) / frames;
  }
  out.frameMean.assign(frames_, 0.0);
  for (std::size_t t = 0; t < frames_ && t < frameSum_.size(); ++t) out.frameMean[t] = frameSum_[t] / (static_cast<double>(partition_.pixels()) * options_.average);
  out.partitionMeanTotal.assign(S, 0.0);
  const std::size_t windows = window > 0 ? frames_ / window : 0;
  out.partitionMeanPartial.assign(windows * S, 0.0);
  const std::size_t rowFrames = options_.staticWindow > 0 ? options_.staticWindow : 1;
  for (std::size_t i = 0; i < partial_.size(); ++i) {
    out.partitionMeanTotal[i % S] += partial_[i];
    const std::size_t w = window > 0 ? i / S * rowFrames / window : windows;
    if (w < windows) out.partitionMeanPartial[w * S + i % S] += partial_[i];
  }
  for (std::size_t s = 0; s < S; ++s) {
    out.partitionMeanTotal[s] /= partition_.validPixels[s] * frames;
    for (std::size_t w = 0; w < windows; ++w) out.partitionMeanPartial[w * S + s] /= static_cast<double>(partition_.validPixels[s]) * window * options_.average;
  }
  return out;
}

}  // namespace xpcs
