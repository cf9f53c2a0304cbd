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
  /// True for sinks with a part of `push` that needs nothing but its arguments. They take these in place of it; all but the last on any
  /// thread beside any other call, `take` in the order of the events. See Correlator.
  [[nodiscard]] virtual bool prepares() const { return false; }
  virtual void prepare(std::shared_ptr<PreparedEvents>& /*events*/, std::span<const std::uint32_t> /*frame*/, std::span<const std::uint32_t> /*pixel*/,
                       std::span<const std::int64_t> /*count*/) const {}
  virtual void prepare(std::shared_ptr<PreparedEvents>& /*events*/, const EventColumns& /*columns*/) const {}
  virtual void close(PreparedEvents& /*events*/) const {}
  virtual void take(PreparedEvents& /*events*/) {}
  /// `push` with real values (dark-subtracted data). One pass gives a sink either kind.
  virtual void push_real(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const double> value) = 0;
  /// Whole frames, the next ones of the series: uint16 [frames, pixels], from frame `first` on. With signedCounts, 0x8000 and above
  /// are negative and count as 0. Here: the same as events.
  virtual void push_dense(std::uint32_t first, std::span<const std::uint16_t> rows, std::size_t pixels, bool signedCounts) {
    std::vector<std::uint32_t> frame, pixel;
    std::vector<std::int64_t> count;
    for (std::size_t at = 0; at < rows.size(); at += pixels) {
      frame.clear();
      pixel.clear();
      count.clear();
      for (std::size_t p = 0; p < pixels; ++p) {
        const std::uint16_t value = rows[at + p];
        if (value == 0 || (signedCounts && value >= 0x8000)) continue;
        frame.push_back(first + static_cast<std::uint32_t>(at / pixels));
        pixel.push_back(static_cast<std::uint32_t>(p));
        count.push_back(value);
      }
      push(frame, pixel, count);
    }
  }
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
  [[nodiscard]] bool prepares() const override { return true; }
  void prepare(std::shared_ptr<PreparedEvents>& events, std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel,
               std::span<const std::int64_t> count) const override {
    correlator_.prepare(events, frame, pixel, count);
  }
  void prepare(std::shared_ptr<PreparedEvents>& events, const EventColumns& columns) const override { correlator_.prepare(events, columns); }
  void close(PreparedEvents& events) const override { correlator_.close(events); }
  void take(PreparedEvents& events) override { correlator_.take(events); }
  void push_real(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const double> value) override {
    correlator_.push_real(frame, pixel, value);
  }
  void push_dense(std::uint32_t /*first*/, std::span<const std::uint16_t> rows, std::size_t /*pixels*/, bool signedCounts) override {
    correlator_.push_dense(rows, signedCounts);
  }
  void set_frames(std::uint64_t frames) override { correlator_.set_frames(frames); }

 private:
  Correlator& correlator_;
};

}  // namespace xpcs
