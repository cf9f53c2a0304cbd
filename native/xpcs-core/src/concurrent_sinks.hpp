// Several sinks as one: each takes the same frames, at the same time on a thread of its own, before the reader goes on. Nothing is
// copied.
#pragma once
#include <memory>
#include <vector>

#include "threads.hpp"
#include "xpcs/frame_sink.hpp"

namespace xpcs {

class ConcurrentSinks final : public FrameSink {
 public:
  ConcurrentSinks(std::vector<std::unique_ptr<FrameSink>> sinks, unsigned threads) : sinks_(std::move(sinks)), threads_(threads) {}

  void push(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const std::int64_t> count) override {
    each([&](FrameSink& sink) { sink.push(frame, pixel, count); });
  }
  void push_real(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const double> value) override {
    each([&](FrameSink& sink) { sink.push_real(frame, pixel, value); });
  }
  void push_dense(std::uint32_t first, std::span<const std::uint16_t> rows, std::size_t pixels, bool signedCounts) override {
    each([&](FrameSink& sink) { sink.push_dense(first, rows, pixels, signedCounts); });
  }
  void set_frames(std::uint64_t frames) override {
    each([&](FrameSink& sink) { sink.set_frames(frames); });
  }

 private:
  template <class Give>
  void each(Give give) {
    parallel_for(sinks_.size(), threads_, [&](std::size_t i, unsigned) { give(*sinks_[i]); });
  }

  std::vector<std::unique_ptr<FrameSink>> sinks_;
  unsigned threads_;
};

}  // namespace xpcs
