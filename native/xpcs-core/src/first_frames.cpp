// Keeps frames: see first_frames.hpp.
#include "first_frames.hpp"

#include <algorithm>

namespace xpcs {

FirstFrames::FirstFrames(const Partition& partition, const CorrelatorOptions& options, std::uint32_t kept, std::uint64_t frames)
    : kept_(kept), scale_(partition.pixels(), 0.0F) {
  sums_.reserve(bytes(kept, frames, partition.pixels()) / sizeof(float));  // growing would take three times as much
  for (const std::uint32_t pixel : partition.pixelOfRank) {
    const double factor = options.pixelFactor.empty() ? 1.0 : options.pixelFactor[pixel];
    scale_[pixel] = static_cast<float>(factor / options.average);
  }
}

template <class Value>
void FirstFrames::add(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const Value> value) {
  const std::size_t pixels = scale_.size();
  for (std::size_t i = 0; i < frame.size(); ++i) {
    if (frame[i] >= kept_) continue;
    if (pixel[i] >= pixels) throw Error(Code::invalid_argument, "pixel " + std::to_string(pixel[i]) + " is outside the detector of " + std::to_string(pixels) + " pixels");
    const std::size_t at = frame[i] * pixels + pixel[i];
    if (at >= sums_.size()) sums_.resize((std::size_t{frame[i]} + 1) * pixels, 0.0F);
    sums_[at] += static_cast<float>(value[i]);
  }
}

void FirstFrames::push(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const std::int64_t> count) { add(frame, pixel, count); }

void FirstFrames::push_real(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const double> value) { add(frame, pixel, value); }

std::vector<float> FirstFrames::take() {
  if (frames_ <= kept_) return {};
  const std::size_t pixels = scale_.size();
  sums_.resize(kept_ * pixels, 0.0F);
  for (std::size_t at = 0; at < sums_.size(); ++at) sums_[at] *= scale_[at % pixels];
  return std::move(sums_);
}

}  // namespace xpcs
