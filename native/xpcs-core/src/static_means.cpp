#include "static_means.hpp"

namespace xpcs {

StaticMeans::StaticMeans(const Partition& partition, CorrelatorOptions options)
    : partition_(partition), options_(std::move(options)), staticOfPixel_(partition.pixels(), Partition::kMasked), counts_(partition.pixels(), 0) {
  for (std::size_t rank = 0; rank < partition.pixelOfRank.size(); ++rank) staticOfPixel_[partition.pixelOfRank[rank]] = partition.staticOfRank[rank];
}

template <class Value>
void StaticMeans::add(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const Value> value) {
  const std::uint32_t S = partition_.staticBins;
  const std::uint32_t rowFrames = options_.staticWindow > 0 ? options_.staticWindow : 1;
  const double* factor = options_.pixelFactor.empty() ? nullptr : options_.pixelFactor.data();
  if (std::is_same_v<Value, double> && reals_.empty()) reals_.assign(partition_.pixels(), 0.0);
  for (std::size_t i = 0; i < frame.size(); ++i) {
    if (pixel[i] >= staticOfPixel_.size()) {
      throw Error(Code::invalid_argument, "pixel " + std::to_string(pixel[i]) + " is outside the detector of " + std::to_string(staticOfPixel_.size()) + " pixels");
    }
    const std::uint32_t s = staticOfPixel_[pixel[i]];
    if (s == Partition::kMasked) continue;
    const std::size_t row = frame[i] / rowFrames;
    if (frame[i] >= frameSum_.size()) frameSum_.resize(std::size_t{frame[i]} + 1, 0.0);
    if ((row + 1) * S > partial_.size()) partial_.resize((row + 1) * S, 0.0);
    const double scaled = static_cast<double>(value[i]) * (factor != nullptr ? factor[pixel[i]] : 1.0);
    frameSum_[frame[i]] += scaled;
    partial_[row * S + s] += scaled;
    if constexpr (std::is_same_v<Value, double>) {
      reals_[pixel[i]] += scaled;
    } else {
      counts_[pixel[i]] += value[i];
    }
    ++events_;
  }
}

void StaticMeans::push(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const std::int64_t> count) { add(frame, pixel, count); }
void StaticMeans::push_real(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const double> value) { add(frame, pixel, value); }

CorrelationResult StaticMeans::result(std::uint32_t window) const {
  CorrelationResult out;
  const std::size_t S = partition_.staticBins;
  const double frames = static_cast<double>(frames_) * options_.average;
  out.frames = frames_;
  out.events = events_;
  out.pixelMean.resize(partition_.pixels());
  for (std::size_t p = 0; p < out.pixelMean.size(); ++p) {
    const double sum = reals_.empty() ? static_cast<double>(counts_[p]) * (options_.pixelFactor.empty() ? 1.0 : options_.pixelFactor[p]) : reals_[p];
    out.pixelMean[p] = sum / frames;
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
