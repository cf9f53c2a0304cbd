// Frames in HDF5: /entry/data/data (frames, rows, columns), or the data files of an Eiger master. Stored chunks are read in
// order on the caller's thread and decoded on any, outside HDF5's lock. Where most pixels have counts, whole frames come out.
#include <algorithm>
#include <limits>
#include <optional>

#include "../threads.hpp"
#include "hdf5_chunks.hpp"
#include "hdf5_parts.hpp"
#include "xpcs/frame_reader.hpp"

namespace xpcs {
namespace {

/// Counts in one batch of whole frames.
constexpr std::uint64_t kDenseRows = std::uint64_t{1} << 23;
/// An event takes 4 bytes, a pixel of a whole frame 1.
constexpr std::uint64_t kCrowdedOneIn = 4;
/// More than a correlator takes as whole frames.
constexpr std::uint64_t kCrowdedFramesMax = std::uint64_t{1} << 25;

class Hdf5Reader final : public FrameReader {
 public:
  Hdf5Reader(const std::string& path, const ReaderOptions& options)
      : path_(path), threads_(options.threads), parts_(find_hdf5_parts(h5::File::open(path))) {
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      const auto part = open_part(i);
      if (i == 0) check_shape(*part, options);
      if (part->rows() * part->columns() != pixels_ || part->word_bytes() != wordBytes_) {
        throw Error(Code::corrupt_data, part->name() + " has another frame size or number type than " + parts_[0].dataset);
      }
      if (parts_[i].frames == 0) parts_[i].frames = part->frames();
      if (parts_[i].sourceFirst + parts_[i].frames > part->frames()) {
        throw Error(Code::corrupt_data, part->name() + " holds " + std::to_string(part->frames()) + " frames, " + path + " expects " +
                                            std::to_string(parts_[i].sourceFirst + parts_[i].frames));
      }
      starts_.push_back(frames_);
      frames_ += parts_[i].frames;
    }
    if (frames_ == 0) throw Error(Code::corrupt_data, parts_[0].dataset + " in " + path + " holds no frame");
    end_ = frames_;
  }

  void want(std::uint64_t first, std::uint64_t last) override {
    next_ = std::min(first, frames_);
    end_ = last < frames_ ? last + 1 : frames_;
  }

  bool fetch(std::unique_ptr<StoredFrames>& stored) override {
    if (next_ >= end_) return false;
    if (stored == nullptr) stored = std::make_unique<StoredChunks>();
    auto& chunks = static_cast<StoredChunks&>(*stored);
    const auto part = static_cast<std::size_t>(std::upper_bound(starts_.begin(), starts_.end(), next_) - starts_.begin()) - 1;
    chunks.dataset = open_part(part);
    chunks.first = next_;
    const std::uint64_t source = parts_[part].sourceFirst + (next_ - starts_[part]);
    const std::uint64_t left = std::min(end_, starts_[part] + parts_[part].frames) - next_;
    chunks.dataset->load(source, std::min(chunks.dataset->run_from(source), left), chunks.frames);
    missingChunks_ += chunks.dataset->missing_chunks() - missingBefore_;
    missingBefore_ = chunks.dataset->missing_chunks();
    next_ += chunks.frames.frames;
    return true;
  }

  /// As the frames that come next are; asked again, the answer stays.
  [[nodiscard]] bool crowded() override {
    if (wordBytes_ > 2 || frames_ > kCrowdedFramesMax) return false;
    if (crowded_) return *crowded_;
    const std::uint64_t begin = next_;
    std::unique_ptr<StoredFrames> stored;
    FrameBatch sample;
    try {
      if (!fetch(stored)) return false;
    } catch (const Error&) {
      return false;  // damage is told where these frames are wanted
    }
    const std::uint64_t taken = next_ - begin;
    next_ = begin;
    stored->decode(sample);
    missingChunks_ = missingBefore_ = 0;
    open_.reset();  // it counts what is missing
    crowded_ = sample.frame.size() >= taken * pixels_ / kCrowdedOneIn;
    return *crowded_;
  }

  bool next_dense(FrameBatch& headers, std::vector<std::uint16_t>& rows) override {
    headers.clear();
    headers.headerStart = next_;
    std::size_t runs = 0;
    std::uint64_t taken = 0;
    while (next_ < end_ && (taken == 0 || (taken + 1) * pixels_ <= kDenseRows)) {
      if (runs == runs_.size()) runs_.emplace_back();
      fetch(runs_[runs++]);
      taken = next_ - headers.headerStart;
    }
    rows.resize(static_cast<std::size_t>(taken * pixels_));
    std::vector<FrameBatch> marked(runs);
    parallel_for(runs, threads_, [&](std::size_t i, unsigned) {
      auto& run = static_cast<StoredChunks&>(*runs_[i]);
      run.decode_rows(rows.data() + (run.first - headers.headerStart) * pixels_, marked[i]);
    });
    for (std::size_t i = 0; i < runs; ++i) {
      runs_[i]->check();
      headers.markedFrame.insert(headers.markedFrame.end(), marked[i].markedFrame.begin(), marked[i].markedFrame.end());
      headers.markedPixel.insert(headers.markedPixel.end(), marked[i].markedPixel.begin(), marked[i].markedPixel.end());
    }
    return runs > 0;
  }

  [[nodiscard]] std::uint64_t frames() const override { return frames_; }
  [[nodiscard]] double position() const override { return static_cast<double>(next_) / static_cast<double>(frames_); }
  [[nodiscard]] bool dense() const override { return false; }
  [[nodiscard]] bool openEnded() const override { return false; }
  [[nodiscard]] std::vector<std::string> warnings() const override {
    if (missingChunks_ == 0) return {};
    return {std::to_string(missingChunks_) + " chunks of " + path_ + " were never written; their pixels hold the fill value of the dataset"};
  }

 private:
  std::shared_ptr<const Hdf5Dataset> open_part(std::size_t i) {
    if (open_ && openPart_ == i) return open_;
    open_.reset();
    open_ = std::make_shared<const Hdf5Dataset>(parts_[i].file, parts_[i].dataset);
    openPart_ = i;
    missingBefore_ = 0;
    return open_;
  }

  void check_shape(const Hdf5Dataset& data, const ReaderOptions& options) {
    pixels_ = std::uint64_t{options.height} * options.width;
    const bool same = options.exactShape ? data.rows() == options.height && data.columns() == options.width : data.rows() * data.columns() == pixels_;
    if (!same || pixels_ == 0) {
      throw Error(Code::invalid_argument, std::string("the frames of ") + path_ + " are " + std::to_string(data.rows()) + " x " + std::to_string(data.columns()) +
                                              " (rows x columns), the q-map is " + std::to_string(options.height) + " x " +
                                              std::to_string(options.width) + "; use the q-map of this detector");
    }
    wordBytes_ = data.word_bytes();
  }

  std::string path_;
  unsigned threads_;
  std::vector<Hdf5Part> parts_;
  std::vector<std::uint64_t> starts_;  // first frame of each part
  std::shared_ptr<const Hdf5Dataset> open_;
  std::size_t openPart_ = 0;
  std::uint64_t missingBefore_ = 0, missingChunks_ = 0;
  std::uint64_t pixels_ = 0, frames_ = 0, next_ = 0, end_ = 0;
  std::size_t wordBytes_ = 0;
  std::optional<bool> crowded_;                      // once it is known
  std::vector<std::unique_ptr<StoredFrames>> runs_;  // of next_dense
};

}  // namespace

std::unique_ptr<FrameReader> open_hdf5(const std::string& path, const ReaderOptions& options) {
  return std::make_unique<Hdf5Reader>(path, options);
}

}  // namespace xpcs
