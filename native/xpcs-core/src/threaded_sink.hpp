// A sink on a thread of its own: takes copies of the chunks, in order, while the reader decodes the next ones. A bounded
// queue, so that memory does not grow with the file. What the inner sink throws comes out of a later call.
#pragma once
#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "xpcs/frame_sink.hpp"

namespace xpcs {

class ThreadedSink final : public FrameSink {
 public:
  explicit ThreadedSink(std::unique_ptr<FrameSink> inner) : inner_(std::move(inner)), worker_([this] { work(); }) {}
  ~ThreadedSink() override { stop(); }
  ThreadedSink(const ThreadedSink&) = delete;
  ThreadedSink& operator=(const ThreadedSink&) = delete;

  void push(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const std::int64_t> count) override {
    if (!frame.empty()) queue({{frame.begin(), frame.end()}, {pixel.begin(), pixel.end()}, {count.begin(), count.end()}, {}});
  }
  void push_real(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const double> value) override {
    if (!frame.empty()) queue({{frame.begin(), frame.end()}, {pixel.begin(), pixel.end()}, {}, {value.begin(), value.end()}});
  }
  void push_dense(std::uint32_t first, std::span<const std::uint16_t> rows, std::size_t pixels, bool signedCounts) override {
    Chunk chunk;
    chunk.rows.assign(rows.begin(), rows.end());
    chunk.first = first;
    chunk.pixels = pixels;
    chunk.signedCounts = signedCounts;
    queue(std::move(chunk));
  }
  /// Waits for everything that was pushed.
  void set_frames(std::uint64_t frames) override {
    stop();
    if (failure_) std::rethrow_exception(failure_);
    inner_->set_frames(frames);
  }

 private:
  struct Chunk {
    std::vector<std::uint32_t> frame, pixel;
    std::vector<std::int64_t> count;
    std::vector<double> real;
    std::vector<std::uint16_t> rows = {};  ///< whole frames in place of events
    std::uint32_t first = 0;
    std::size_t pixels = 0;
    bool signedCounts = true;
  };
  static constexpr std::size_t kChunksMax = 4;

  void queue(Chunk chunk) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return chunks_.size() < kChunksMax || failure_; });
    if (failure_) std::rethrow_exception(failure_);
    chunks_.push_back(std::move(chunk));
    changed_.notify_all();
  }

  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return !chunks_.empty() || ended_; });
      if (chunks_.empty() || failure_) return;
      const Chunk chunk = std::move(chunks_.front());
      chunks_.pop_front();
      changed_.notify_all();
      lock.unlock();
      std::exception_ptr failure;
      try {
        if (!chunk.rows.empty()) {
          inner_->push_dense(chunk.first, chunk.rows, chunk.pixels, chunk.signedCounts);
        } else if (chunk.real.empty()) {
          inner_->push(chunk.frame, chunk.pixel, chunk.count);
        } else {
          inner_->push_real(chunk.frame, chunk.pixel, chunk.real);
        }
      } catch (...) {
        failure = std::current_exception();
      }
      lock.lock();
      if (failure) {
        failure_ = failure;
        changed_.notify_all();
        return;
      }
    }
  }

  void stop() {
    if (!worker_.joinable()) return;
    {
      const std::scoped_lock lock(mutex_);
      ended_ = true;
      changed_.notify_all();
    }
    worker_.join();
  }

  std::unique_ptr<FrameSink> inner_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Chunk> chunks_;
  std::exception_ptr failure_;
  bool ended_ = false;
  std::thread worker_;  // last: it uses all of the above
};

}  // namespace xpcs
