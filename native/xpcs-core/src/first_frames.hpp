// The first frames of the series as they are correlated, but for a normalisation: after darks, threshold, flatfield and average.
// Memory is that of the frames kept. @source XPCS-Eigen's frames_out (docs/results.md)
#pragma once
#include <algorithm>

#include "xpcs/frame_sink.hpp"

namespace xpcs {

class FirstFrames final : public FrameSink {
 public:
  /// @param options average and pixelFactor count @param kept frames, 1 or more @param frames of the series; 0: not known
  FirstFrames(const Partition& partition, const CorrelatorOptions& options, std::uint32_t kept, std::uint64_t frames);
  void push(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const std::int64_t> count) override;
  void push_real(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const double> value) override;
  void push_dense(std::uint32_t first, std::span<const std::uint16_t> rows, std::size_t pixels, bool signedCounts) override {
    if (first < kept_) FrameSink::push_dense(first, rows, pixels, signedCounts);
  }
  void set_frames(std::uint64_t frames) override { frames_ = frames; }

  /// Bytes that the frames take, of a series of so many.
  [[nodiscard]] static std::uint64_t bytes(std::uint32_t kept, std::uint64_t frames, std::uint64_t pixels) { return std::min<std::uint64_t>(kept, frames) * pixels * sizeof(float); }

  /// float [kept, pixels] counts per frame, masked pixels 0; empty unless the series has more frames than these. To be called once.
  [[nodiscard]] std::vector<float> take();

 private:
  template <class Value>
  void add(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const Value> value);

  std::uint32_t kept_;
  std::uint64_t frames_ = 0;
  std::vector<float> scale_;  // [pixels] 0 where the pixel does not count
  std::vector<float> sums_;   // [frames seen, pixels] of the file frames that make a frame: exact for counts up to 2^24
};

}  // namespace xpcs
