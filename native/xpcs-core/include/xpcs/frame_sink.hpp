// Where the frames of one pass over a file go: intake pushes the same events into every sink of a list (correlators of
// several q-maps, a two-time analysis). A sink never sees a file, a range or a file frame: only frames of the series.
#pragma once
#include <cstdint>
#include <span>

#include "xpcs/correlator.hpp"

namespace xpcs {

class FrameSink {
 public:
  virtual ~FrameSink() = default;
  /// Integer events of the whole detector, in file order: series frame (0-based), row-major pixel, count. Masked pixels
  /// are among them; repeated events add up. The spans live until the call returns.
  virtual void push(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const std::int64_t> count) = 0;
  /// The same with real values (dark-subtracted data). One pass gives a sink either kind.
  virtual void push_real(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const double> value) = 0;
  /// True where whole frames may come through push_dense instead. They do only when every sink of the pass takes them.
  [[nodiscard]] virtual bool takes_dense() const { return false; }
  /// The next whole frames of the series: uint16 [frames, pixels]; signedCounts: 0x8000 and above are negative, and count as 0.
  virtual void push_dense(std::span<const std::uint16_t> /*rows*/, bool /*signedCounts*/) {}
  /// Once, after the last event: the series has exactly this many frames; events beyond do not count.
  virtual void set_frames(std::uint64_t frames) = 0;
};

/// Feeds a correlator that lives elsewhere.
class CorrelatorSink final : public FrameSink {
 public:
  explicit CorrelatorSink(Correlator& correlator) : correlator_(correlator) {}
  void push(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const std::int64_t> count) override {
    correlator_.push(frame, pixel, count);
  }
  void push_real(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const double> value) override {
    correlator_.push_real(frame, pixel, value);
  }
  [[nodiscard]] bool takes_dense() const override { return true; }
  void push_dense(std::span<const std::uint16_t> rows, bool signedCounts) override { correlator_.push_dense(rows, signedCounts); }
  void set_frames(std::uint64_t frames) override { correlator_.set_frames(frames); }

 private:
  Correlator& correlator_;
};

}  // namespace xpcs
