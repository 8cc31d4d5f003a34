# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The model card says what was measured, to people and to the hub."""

from huggingface_hub import ModelCard

from magnet_mm.sharing.model_card import model_card

ABOUT = dict(parameters=3369788, weights='float16', size=6_812_345, license='mit', training='')


def test_scores_and_metadata(shared):
    card = ModelCard.load(shared / 'README.md')  # as the hub's client reads it
    assert card.data.license == 'apache-2.0' and card.data.library_name == 'magnet_mm'
    values = [(r.dataset_split, r.metric_type, r.metric_value) for r in card.data.eval_results]
    assert values == [('val', 'oIoU', 71.23), ('val', 'P@0.9', 25.0), ('val_blank', 'oIoU', 18.5)]
    assert '| val | 71.23 | 25.00 |\n| val_blank | 18.50 | - |\n' in card.text
    assert "ReferringSegInferencer('model')" in card.text


def test_without_scores():
    card = model_card('small', None, {}, dict(ABOUT, identifier='', training='It was trained.'))
    assert '3,369,788 parameters, float16, 6.8 MB' in ' '.join(card.split())
    assert 'ReferringSegInferencer()' in card and 'It was trained.' in card
    assert 'Scores' not in card and 'scores.json' not in card and 'model-index' not in card
