// Rigaku 64-bit event stream (.bin of the XSPA-500k; six of them, .bin.000 to .005, from the 3M): little-endian uint64 words
// without a header, ordered by frame. Bits 63-40 frame, 36-16 pixel, 11-0 count; 39-37 and 15-12 unused. Frames without
// events do not appear: they are empty frames. The 24-bit frame counter is unwrapped. The job-file convention (column-major
// pixels, first frame 1) comes through ReaderOptions. The six streams of a 3M are merged in frame order.
#include <algorithm>
#include <limits>

#include "event_words.hpp"
#include "little_endian.hpp"
#include "rigaku_modules.hpp"
#include "xpcs/error.hpp"

namespace xpcs {
namespace {

constexpr std::uint64_t kCounterRange = std::uint64_t{1} << 24;

/// The words of one file, with unwrapped frames.
class WordStream {
 public:
  WordStream(std::unique_ptr<ByteSource> source, std::string name, std::uint64_t firstFrame, std::uint32_t pixels)
      : source_(std::move(source)), size_((end_of_values(*source_) + 7) / 8 * 8), cursor_(*source_, size_), name_(std::move(name)), firstFrame_(firstFrame), pixels_(pixels) {
    const std::uint64_t size = source_->size();
    if (size % 8 != 0 && size < size_ + 8) {
      throw Error(Code::corrupt_data, "truncated Rigaku file" + (name_.empty() ? "" : " " + name_) + ": the last word at byte " + std::to_string(size / 8 * 8) +
                                          " has " + std::to_string(size % 8) + " of 8 bytes; copy the file again");
    }
  }

  /// Decodes the next words; false at the end.
  bool refill() {
    at_ = 0;
    const std::uint64_t start = cursor_.position();
    const auto bytes = cursor_.take(kBatchWords * 8);
    const std::size_t n = bytes.size() / 8;
    frame.resize(n);
    pixel.resize(n);
    count.resize(n);
    std::uint32_t latest = 0;
    for (std::size_t j = 0; j < n; ++j) {
      const auto word = load<std::uint64_t>(bytes, 8 * j);
      const std::uint64_t unwrapped = unwrap(word >> 40);
      const std::uint32_t k = static_cast<std::uint32_t>(word >> 16 & 0x1FFFFF) - base_;
      if (unwrapped < firstFrame_ || k >= pixels_) fail(start + 8 * j, unwrapped, k + base_);
      if (unwrapped - firstFrame_ >= std::numeric_limits<std::uint32_t>::max()) fail_late(start + 8 * j);
      frame[j] = static_cast<std::uint32_t>(unwrapped - firstFrame_);
      pixel[j] = k;
      count[j] = static_cast<std::int64_t>(word & 0xFFF);
      latest = std::max(latest, frame[j]);
    }
    if (n > 0) frames_ = std::max(frames_, std::uint64_t{latest} + 1);
    return n > 0;
  }
  /// Events not yet taken; only the first is looked at, so a refill must have gone before.
  [[nodiscard]] bool drained() const noexcept { return at_ == frame.size(); }
  [[nodiscard]] std::uint32_t head() const noexcept { return frame[at_]; }
  /// Pixel numbers that begin at 1048576 lose that much: told from the first words, as every pixel number is then above it.
  void subtract_base() {
    std::vector<std::byte> first(static_cast<std::size_t>(std::min<std::uint64_t>(size_, 4096)));
    first.resize(source_->read(0, first) / 8 * 8);
    std::uint32_t least = std::numeric_limits<std::uint32_t>::max();
    for (std::size_t at = 0; at < first.size(); at += 8) least = std::min(least, static_cast<std::uint32_t>(load<std::uint64_t>(first, at) >> 16 & 0x1FFFFF));
    if (!first.empty() && least >= kPixelBase) base_ = kPixelBase;
  }
  /// Appends the events up to the end of `last` frame that are at hand, at canvas pixels.
  void take_until(std::uint32_t last, std::uint32_t origin, FrameBatch& into) {
    for (; at_ < frame.size() && frame[at_] <= last; ++at_) {
      into.frame.push_back(frame[at_]);
      into.pixel.push_back(canvas_pixel(origin, pixel[at_]));
      into.count.push_back(count[at_]);
    }
  }

  [[nodiscard]] std::uint64_t frames() const noexcept { return frames_; }
  /// Of words before the zeros at the end: no event is a word of zeros.
  [[nodiscard]] std::uint64_t bytes() const noexcept { return size_; }
  void add_warning(std::vector<std::string>& warnings) const {
    if (size_ == source_->size()) return;
    warnings.push_back("the Rigaku file" + (name_.empty() ? "" : " " + name_) + " ends with " + std::to_string(source_->size() - size_) +
                       " bytes of zeros that its writer reserved and did not fill: its events are those before byte " + std::to_string(size_) + "; if it should have more, copy it again from its detector");
  }
  [[nodiscard]] std::uint64_t position() const noexcept { return cursor_.position(); }

  std::vector<std::uint32_t> frame, pixel;
  std::vector<std::int64_t> count;

 private:
  /// A jump down by more than half the counter's range is a wrap; a smaller one is a word out of order.
  std::uint64_t unwrap(std::uint64_t counter) noexcept {
    if (counter + kCounterRange / 2 < previous_) epoch_ += kCounterRange;
    // A word from before the wrap that comes late.
    if (epoch_ > 0 && counter > previous_ + kCounterRange / 2) {
      return epoch_ - kCounterRange + counter;
    }
    previous_ = counter;
    return epoch_ + counter;
  }

  [[nodiscard]] std::string where(std::uint64_t at) const {
    return "Rigaku word at byte " + std::to_string(at) + (name_.empty() ? "" : " of " + name_) + ": ";
  }
  [[noreturn]] void fail(std::uint64_t at, std::uint64_t counter, std::uint32_t k) const {
    if (k - base_ >= pixels_) {
      throw Error(Code::corrupt_data, where(at) + "pixel " + std::to_string(k) + " (frame " + std::to_string(counter) + ") is outside the " +
                                          std::to_string(pixels_) + " pixels of the detector; is the q-map of this detector, and the file a Rigaku file?");
    }
    throw Error(Code::corrupt_data,
                where(at) + "frame " + std::to_string(counter) + " comes before the first frame " + std::to_string(firstFrame_) + "; pass --first-frame " + std::to_string(counter));
  }
  [[noreturn]] void fail_late(std::uint64_t at) const { throw Error(Code::corrupt_data, where(at) + "its frame counter went around too often: more than 2^32 frames"); }

  std::unique_ptr<ByteSource> source_;
  std::uint64_t size_;
  ByteCursor cursor_;
  std::string name_;
  std::uint64_t firstFrame_;
  std::uint32_t pixels_;
  std::uint32_t base_ = 0;
  std::size_t at_ = 0;
  std::uint64_t frames_ = 0;
  std::uint64_t previous_ = 0;
  std::uint64_t epoch_ = 0;
};

class RigakuReader final : public FrameReader {
 public:
  RigakuReader(std::unique_ptr<ByteSource> source, const ReaderOptions& options)
      : options_(options), words_(std::move(source), "", options.firstFrame, options.height * options.width) {
    if (std::uint64_t{options.height} * options.width <= kPixelBase) words_.subtract_base();  // one module of a 3M
    if (words_.bytes() == 0) throw Error(Code::corrupt_data, "the Rigaku file is empty, or has zeros only: no event to read");
  }

  bool fetch(std::unique_ptr<StoredFrames>& stored) override {
    FrameBatch& batch = DecodedEvents::of(stored);
    if (!words_.refill()) return false;
    std::swap(batch.frame, words_.frame);
    std::swap(batch.pixel, words_.pixel);
    std::swap(batch.count, words_.count);
    if (options_.pixelOrder == PixelOrder::column_major) {
      for (auto& pixel : batch.pixel) pixel = row_major(pixel, options_);
    }
    return true;
  }
  [[nodiscard]] std::uint64_t frames() const override { return words_.frames(); }
  [[nodiscard]] double position() const override { return static_cast<double>(words_.position()) / static_cast<double>(words_.bytes()); }
  [[nodiscard]] bool dense() const override { return false; }
  [[nodiscard]] bool openEnded() const override { return true; }
  [[nodiscard]] std::vector<std::string> warnings() const override {
    std::vector<std::string> all;
    words_.add_warning(all);
    return all;
  }

 private:
  ReaderOptions options_;
  WordStream words_;
};

class RigakuModulesReader final : public FrameReader {
 public:
  RigakuModulesReader(std::vector<NamedSource> sources, const ReaderOptions& options) {
    if (sources.size() != kModules) throw Error(Code::internal, "a Rigaku 3M has six files");
    for (std::uint32_t file = 0; file < kModules; ++file) {
      streams_.push_back(std::make_unique<WordStream>(std::move(sources[file].source), sources[file].name, options.firstFrame, kModuleRows * kModuleColumns));
      streams_.back()->subtract_base();
      bytes_ += streams_.back()->bytes();
    }
    if (bytes_ == 0) throw Error(Code::corrupt_data, "all six files of the Rigaku 3M are empty, or have zeros only: no event to read");
    ended_.assign(kModules, false);
  }

  /// Events up to the frame that all streams have reached: the batch is in frame order, and no stream runs ahead of its
  /// own buffer.
  bool fetch(std::unique_ptr<StoredFrames>& stored) override {
    FrameBatch& batch = DecodedEvents::of(stored);
    std::uint32_t last = std::numeric_limits<std::uint32_t>::max();
    bool any = false;
    for (std::uint32_t file = 0; file < kModules; ++file) {
      if (!ended_[file] && streams_[file]->drained()) ended_[file] = !streams_[file]->refill();
      if (ended_[file]) continue;
      any = true;
      last = std::min(last, *std::max_element(streams_[file]->frame.begin(), streams_[file]->frame.end()));
    }
    if (!any) return false;
    for (std::uint32_t file = 0; file < kModules; ++file) {
      if (!ended_[file]) streams_[file]->take_until(last, module_origin(file), batch);
    }
    return true;
  }
  [[nodiscard]] std::uint64_t frames() const override {
    std::uint64_t most = 0;
    for (const auto& stream : streams_) most = std::max(most, stream->frames());
    return most;
  }
  [[nodiscard]] double position() const override {
    std::uint64_t done = 0;
    for (const auto& stream : streams_) done += stream->position();
    return static_cast<double>(done) / static_cast<double>(bytes_);
  }
  [[nodiscard]] bool dense() const override { return false; }
  [[nodiscard]] bool openEnded() const override { return true; }
  [[nodiscard]] std::vector<std::string> warnings() const override {
    std::vector<std::string> all;
    for (const auto& stream : streams_) stream->add_warning(all);
    return all;
  }

 private:
  std::vector<std::unique_ptr<WordStream>> streams_;
  std::vector<bool> ended_;
  std::uint64_t bytes_ = 0;
};

}  // namespace

std::unique_ptr<FrameReader> open_rigaku(std::unique_ptr<ByteSource> source, const ReaderOptions& options) {
  return std::make_unique<RigakuReader>(std::move(source), options);
}

std::unique_ptr<FrameReader> open_rigaku_modules(std::vector<NamedSource> sources, const ReaderOptions& options) {
  return std::make_unique<RigakuModulesReader>(std::move(sources), options);
}

}  // namespace xpcs
