// Feeds a stream's correlator that lives elsewhere from a pass over a file.
#pragma once
#include "xpcs/frame_sink.hpp"
#include "xpcs/stream_correlator.hpp"

namespace xpcs {

class StreamSink final : public FrameSink {
 public:
  explicit StreamSink(StreamCorrelator& stream) : stream_(stream) {}
  void push(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const std::int64_t> count) override {
    stream_.push(frame, pixel, count);
  }
  [[nodiscard]] bool prepares() const override { return stream_.prepares(); }
  void prepare(std::shared_ptr<PreparedEvents>& events, std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel,
               std::span<const std::int64_t> count) const override {
    stream_.prepare(events, frame, pixel, count);
  }
  void prepare(std::shared_ptr<PreparedEvents>& events, const EventColumns& columns) const override { stream_.prepare(events, columns); }
  void close(PreparedEvents& events) const override { stream_.close(events); }
  void take(PreparedEvents& events) override { stream_.take(events); }
  void push_real(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const double> value) override {
    stream_.push_real(frame, pixel, value);
  }
  void push_dense(std::uint32_t first, std::span<const std::uint16_t> rows, std::size_t /*pixels*/, bool signedCounts) override {
    stream_.push_dense(first, rows, signedCounts);
  }
  void set_frames(std::uint64_t frames) override { stream_.set_frames(frames); }

 private:
  StreamCorrelator& stream_;
};

}  // namespace xpcs
