// The static outputs alone: mean intensities by pixel, partition and frame, for an analysis that correlates no pixel with
// itself in time (two-time without multi-tau). Memory grows with pixels, and with frames x partitions until the window is known.
#pragma once
#include "xpcs/frame_sink.hpp"

namespace xpcs {

class StaticMeans final : public FrameSink {
 public:
  /// @param options average, pixelFactor and staticWindow count
  /// @param lastMayBeCut the last frame may turn out not to belong to the series (an incomplete block of file frames)
  StaticMeans(const Partition& partition, CorrelatorOptions options, bool lastMayBeCut);
  void push(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const std::int64_t> count) override;
  void push_real(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const double> value) override;
  void push_dense(std::uint32_t first, std::span<const std::uint16_t> rows, std::size_t pixels, bool signedCounts) override;
  void set_frames(std::uint64_t frames) override;

  /// frames, events, partitionMeanTotal, partitionMeanPartial, pixelMean and frameMean of a result; the rest is empty.
  /// @param window frames of one row of partitionMeanPartial; 0: no rows
  [[nodiscard]] CorrelationResult result(std::uint32_t window) const;

 private:
  void check_pixels(std::span<const std::uint32_t> pixel) const;
  template <class Value>
  void add_frame(std::uint32_t frame, std::span<const std::uint32_t> pixel, std::span<const Value> value, std::vector<Value>& byPixel);
  void add_counts(std::uint32_t frame, std::span<const std::uint32_t> pixel, std::span<const std::int64_t> count);
  bool narrow(std::span<const std::int64_t> count);
  void fold_recent();
  [[nodiscard]] double* partial_of(std::size_t frame);
  template <class Value>
  void keep_back(std::uint32_t frame, std::span<const std::uint32_t> pixel, std::span<const Value> value, std::vector<Value>& byPixel, std::vector<Value>& back);
  template <class Value>
  void add(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const Value> value, std::vector<Value>& byPixel, std::vector<Value>& back);

  const Partition& partition_;
  CorrelatorOptions options_;
  void add_rows(std::uint32_t first, std::span<const std::uint16_t> rows, bool signedCounts);
  /// Adds the sums of whole frames, by pixel, to those of their row of partial_.
  void fold_dense();

  std::vector<std::uint16_t> valid_;     // [pixels] all bits set where the pixel counts; whole frames only
  std::vector<std::uint32_t> denseSum_;  // [pixels] of the frames since the last fold
  std::size_t denseRow_ = 0;
  std::uint32_t denseFrames_ = 0;
  std::vector<std::uint32_t> staticOfPixel_;  // 0-based; S where the pixel does not count
  std::vector<std::uint16_t> narrowLabel_;    // [pixels] the same; used with recent_
  std::vector<std::uint32_t> recent_;         // [pixels] counts that are not in counts_ yet
  std::uint64_t recentTotal_ = 0;             // of all pixels: no sum of recent_ is larger
  std::vector<std::int64_t> counts_;          // [pixels] integer sums
  std::vector<double> reals_;                 // [pixels] sums of real values
  std::vector<double> partial_;               // [frames, S], or [windows, S] where the window was known
  std::vector<double> frameSum_;              // [frames]
  bool lastMayBeCut_;
  /// Photons of the newest frame, kept back until a newer one or the number of frames is known.
  std::uint32_t newest_ = 0;
  std::vector<std::uint32_t> backPixel_;
  std::vector<std::int64_t> backCount_;
  std::vector<double> backReal_;
  std::uint64_t frames_ = 0;
  std::uint64_t events_ = 0;
};

}  // namespace xpcs
