// Frames in HDF5: /entry/data/data (frames, rows, columns), or the data files of an Eiger master. Stored chunks are read in
// order on the caller's thread and decoded by several, outside HDF5's lock; frames come out in order.
#include <algorithm>

#include "../ordered_pool.hpp"
#include "hdf5_dataset.hpp"
#include "hdf5_parts.hpp"
#include "nonzero.hpp"
#include "xpcs/frame_reader.hpp"

namespace xpcs {
namespace {

/// Words that wait for the correlator; their events take up to eight times as much.
constexpr std::uint64_t kWaitingBytes = std::uint64_t{64} << 20;

struct Task {
  Hdf5Frames frames;
  std::shared_ptr<const Hdf5Dataset> dataset;  // kept until its last chunk is decoded
  std::uint64_t firstFrame = 0;                // of the series
  FrameBatch events;
  bool outOfMemory = false;
};

class Hdf5Reader final : public FrameReader {
 public:
  Hdf5Reader(const std::string& path, const ReaderOptions& options)
      : path_(path), threads_(std::max(options.threads, 1U)), scratch_(threads_), parts_(find_hdf5_parts(h5::File::open(path))) {
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
    pool_ = std::make_unique<OrderedPool<Task>>(threads_, [this](Task& task, unsigned worker) { run(task, worker); });
  }

  void want(std::uint64_t first, std::uint64_t last) override {
    next_ = std::min(first, frames_);
    end_ = last < frames_ ? last + 1 : frames_;
  }

  bool next(FrameBatch& batch) override {
    batch.clear();
    fill();
    if (pool_->size() == 0) return false;
    std::unique_ptr<Task> task = pool_->pop();
    if (task->outOfMemory) throw std::bad_alloc();
    if (!task->frames.wrong.empty()) throw task->dataset->error(task->frames, task->firstFrame);
    std::swap(batch, task->events);
    done_ = task->firstFrame + task->frames.frames;
    task->dataset.reset();
    free_.push_back(std::move(task));
    fill();  // the helpers go on while the caller takes the batch
    return true;
  }

  [[nodiscard]] std::uint64_t frames() const override { return frames_; }
  [[nodiscard]] double position() const override { return static_cast<double>(done_) / static_cast<double>(frames_); }
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

  /// Queues frames until enough words wait.
  void fill() {
    std::uint64_t waiting = pool_->size();
    while (next_ < end_ && (waiting == 0 || (waiting < 4 * threads_ && waiting * lastRunBytes_ < kWaitingBytes))) {
      const auto part = static_cast<std::size_t>(std::upper_bound(starts_.begin(), starts_.end(), next_) - starts_.begin()) - 1;
      const auto dataset = open_part(part);
      const std::uint64_t source = parts_[part].sourceFirst + (next_ - starts_[part]);
      const std::uint64_t left = std::min(end_, starts_[part] + parts_[part].frames) - next_;
      auto task = free_.empty() ? std::make_unique<Task>() : std::move(free_.back());
      if (!free_.empty()) free_.pop_back();
      task->dataset = dataset;
      task->firstFrame = next_;
      task->events.clear();
      task->outOfMemory = false;
      dataset->load(source, std::min(dataset->run_from(source), left), task->frames);
      missingChunks_ += dataset->missing_chunks() - missingBefore_;
      missingBefore_ = dataset->missing_chunks();
      next_ += task->frames.frames;
      lastRunBytes_ = task->frames.frames * pixels_ * wordBytes_;
      pool_->push(std::move(task));
      ++waiting;
    }
  }

  void run(Task& task, unsigned worker) {
    try {
      task.dataset->decode(task.frames, scratch_[worker]);
      if (!task.frames.wrong.empty()) return;
      switch (wordBytes_) {
        case 1: events<std::uint8_t>(task); break;
        case 2: events<std::uint16_t>(task); break;
        default: events<std::uint32_t>(task); break;
      }
    } catch (const std::bad_alloc&) {
      task.outOfMemory = true;
    }
  }

  template <class Word>
  void events(Task& task) const {
    const auto* words = reinterpret_cast<const Word*>(task.frames.words.data());
    for (std::uint64_t i = 0; i < task.frames.frames; ++i) {
      append_nonzero(words + i * pixels_, static_cast<std::uint32_t>(pixels_), static_cast<std::uint32_t>(task.firstFrame + i), task.events);
    }
  }

  std::string path_;
  unsigned threads_;
  std::vector<h5::FilterScratch> scratch_;
  std::vector<Hdf5Part> parts_;
  std::vector<std::uint64_t> starts_;  // first frame of each part
  std::shared_ptr<const Hdf5Dataset> open_;
  std::size_t openPart_ = 0;
  std::uint64_t missingBefore_ = 0, missingChunks_ = 0;
  std::uint64_t pixels_ = 0, frames_ = 0, next_ = 0, end_ = 0, done_ = 0, lastRunBytes_ = 0;
  std::size_t wordBytes_ = 0;
  std::vector<std::unique_ptr<Task>> free_;
  std::unique_ptr<OrderedPool<Task>> pool_;  // last: its threads end before the rest goes
};

}  // namespace

std::unique_ptr<FrameReader> open_hdf5(const std::string& path, const ReaderOptions& options) {
  return std::make_unique<Hdf5Reader>(path, options);
}

}  // namespace xpcs
