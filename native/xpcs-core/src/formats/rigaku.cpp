// Rigaku 64-bit event stream (.bin of the XSPA-500k): little-endian uint64 words without a header, ordered by frame.
// Bits 63-40 frame, 36-16 pixel, 11-0 count; 39-37 and 15-12 unused. Frames without events do not appear: they are empty
// frames. The job-file convention (column-major pixels, first frame 1) comes through ReaderOptions.
#include "event_words.hpp"
#include "little_endian.hpp"
#include "xpcs/error.hpp"

namespace xpcs {
namespace {

class RigakuReader final : public FrameReader {
 public:
  RigakuReader(std::unique_ptr<ByteSource> source, const ReaderOptions& options)
      : source_(std::move(source)), cursor_(*source_), options_(options), pixels_(std::uint64_t{options.height} * options.width) {
    const std::uint64_t size = source_->size();
    if (size == 0) throw Error(Code::corrupt_data, "the Rigaku file is empty (0 bytes): no event to read");
    if (size % 8 != 0) {
      throw Error(Code::corrupt_data, "truncated Rigaku file: the last word at byte " + std::to_string(size / 8 * 8) + " has " +
                                          std::to_string(size % 8) + " of 8 bytes; copy the file again");
    }
  }

  bool next(FrameBatch& batch) override {
    batch.clear();
    const std::uint64_t at = cursor_.position();
    const auto bytes = cursor_.take(kBatchWords * 8);
    const std::size_t n = bytes.size() / 8;
    batch.frame.resize(n);
    batch.pixel.resize(n);
    batch.count.resize(n);
    for (std::size_t j = 0; j < n; ++j) {
      const auto word = load<std::uint64_t>(bytes, 8 * j);
      const std::uint64_t frame = word >> 40;
      const auto k = static_cast<std::uint32_t>(word >> 16 & 0x1FFFFF);
      if (frame < options_.firstFrame || k >= pixels_) fail(at + 8 * j, frame, k);
      batch.frame[j] = static_cast<std::uint32_t>(frame - options_.firstFrame);
      batch.pixel[j] = row_major(k, options_);
      batch.count[j] = static_cast<std::int64_t>(word & 0xFFF);
      if (batch.frame[j] >= frames_) frames_ = std::uint64_t{batch.frame[j]} + 1;
    }
    return n > 0;
  }

  [[nodiscard]] std::uint64_t frames() const override { return frames_; }
  [[nodiscard]] double position() const override {
    return static_cast<double>(cursor_.position()) / static_cast<double>(source_->size());
  }
  [[nodiscard]] bool dense() const override { return false; }
  [[nodiscard]] bool openEnded() const override { return true; }

 private:
  [[noreturn]] void fail(std::uint64_t at, std::uint64_t frame, std::uint32_t k) const {
    const std::string where = "Rigaku word at byte " + std::to_string(at) + ": ";
    if (k >= pixels_) {
      throw Error(Code::corrupt_data, where + "pixel " + std::to_string(k) + " (frame " + std::to_string(frame) + ") is outside the detector of " +
                                          std::to_string(options_.height) + " x " + std::to_string(options_.width) +
                                          " pixels; is the q-map of this detector, and the file a Rigaku file?");
    }
    throw Error(Code::corrupt_data, where + "frame " + std::to_string(frame) + " comes before the first frame " +
                                        std::to_string(options_.firstFrame) + "; pass --first-frame " + std::to_string(frame));
  }

  std::unique_ptr<ByteSource> source_;
  ByteCursor cursor_;
  ReaderOptions options_;
  std::uint64_t pixels_;
  std::uint64_t frames_ = 0;
};

}  // namespace

std::unique_ptr<FrameReader> open_rigaku(std::unique_ptr<ByteSource> source, const ReaderOptions& options) {
  return std::make_unique<RigakuReader>(std::move(source), options);
}

}  // namespace xpcs
